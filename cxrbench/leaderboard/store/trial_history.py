"""The finished trials of a study, as an entry holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from cxrbench.config.fields import Count, Line, Name
from cxrbench.plugin.contracts import Failure, State, Trial
from cxrbench.storage.safe_text import all_without_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.plugin.specs import Value

ParameterValue = bool | int | float | Name
CHECKED = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TrialRemark(BaseModel):
    """What is to be said of few trials; the fields are those of `Trial`."""

    model_config = CHECKED

    number: Count
    failure: Failure | None = None
    reason: Line = ""
    batch_size: Count | None = None


class TrialHistory(BaseModel):
    """The finished trials of a study, in columns: trial n is at place n of each. Empty in entries of earlier versions.

    Attributes:
        states: complete, pruned or failed.
        values: the protocol's metric on validation images; None unless the trial is complete.
        seconds: wall time of the training.
        params: of each parameter by name, and of the threshold; None where a trial has no such parameter.
        remarks: failures, and batch sizes other than the protocol's.
    """

    model_config = CHECKED

    states: tuple[State, ...] = ()
    values: tuple[float | None, ...] = ()
    seconds: tuple[float, ...] = ()
    params: dict[Name, tuple[ParameterValue | None, ...]] = {}
    remarks: tuple[TrialRemark, ...] = ()

    def trials(self) -> list[Trial]:
        """Return the trials, sorted by number, without what is not stored: losses and log."""
        remarks = {remark.number: remark for remark in self.remarks}
        trials = []
        for number, (state, value, seconds) in enumerate(zip(self.states, self.values, self.seconds, strict=True)):
            remark = remarks.get(number, TrialRemark(number=number))
            trials.append(
                Trial(
                    params=self.params_of(number),
                    state=state,
                    value=value,
                    seconds=seconds,
                    **remark.model_dump(),
                )
            )
        return trials

    def params_of(self, number: int) -> dict[str, Value]:
        """Return the parameters of a trial, with its threshold if it has one."""
        return {name: value for name, column in self.params.items() if (value := column[number]) is not None}


def history_of(trials: Sequence[Trial]) -> TrialHistory:
    """Return all trials of a study, sorted by number from 0, as an entry holds them."""
    names = dict.fromkeys(name for trial in trials for name in trial.params)
    reasons = all_without_paths(trial.reason for trial in trials)
    return TrialHistory(
        states=tuple(trial.state for trial in trials),
        values=tuple(trial.value for trial in trials),
        seconds=tuple(round(trial.seconds, 3) for trial in trials),
        params={name: tuple(trial.params.get(name) for trial in trials) for name in names},
        remarks=tuple(
            TrialRemark(number=trial.number, failure=trial.failure, reason=reason, batch_size=trial.batch_size)
            for trial, reason in zip(trials, reasons, strict=True)
            if trial.failure or reason or trial.batch_size
        ),
    )
