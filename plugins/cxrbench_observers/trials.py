"""Log the trials of an entry: each that this process saw as a run below the entry's, and all of them as curves of the entry."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cxrbench.plugin import Trial

PARENT_TAG = "mlflow.parentRunId"
"""Tag by which MLflow's own pages show a run below another."""
STATE_TAG = "cxrbench.state"
CURVES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
Point = tuple[str, float, int]
"""Name and value of a metric, and its step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenTrial:
    """A trial, and when it ended, in seconds since 1970."""

    trial: Trial
    ended: float = field(default_factory=time.time)


def curve_points(entry: Any) -> Iterator[Point]:
    """Yield the learning curves of every trained head by epoch, and value and seconds of every trial by its number."""
    for fold in entry.folds:
        of_fold = f"fold{fold.fold}." if len(entry.folds) > 1 else ""
        for head in fold.heads:
            of_head = f"{of_fold}seed{head.seed}." if len(fold.heads) > 1 else of_fold
            for name in CURVES:
                yield from ((f"{of_head}{name}", value, epoch) for epoch, value in enumerate(getattr(head.curves, name)))
        for trial in fold.history.trials():
            yield f"{of_fold}trial_seconds", trial.seconds, trial.number
            if trial.value is not None:
                yield f"{of_fold}trial_validation_{entry.protocol.metric}", trial.value, trial.number


def log_trials(client: Any, parent: Any, entry: Any, seen: Sequence[SeenTrial]) -> None:
    """Log trials as runs below that of their entry, with their real times and the validation loss of each epoch."""
    from mlflow.entities import Metric, Param

    for one in seen:
        trial, started = one.trial, one.ended - one.trial.seconds
        run = client.create_run(
            parent.info.experiment_id,
            start_time=_milliseconds(started),
            run_name=_name(entry, trial),
            tags={PARENT_TAG: parent.info.run_id, STATE_TAG: trial.state, "cxrbench.reason": trial.reason[:5000]},
        )
        epochs = max(len(trial.losses), 1)
        losses = [
            Metric("validation_loss", loss, _milliseconds(started + (epoch + 1) * trial.seconds / epochs), epoch)
            for epoch, loss in enumerate(trial.losses)
        ]
        values = {"seconds": trial.seconds, f"validation_{entry.protocol.metric}": trial.value}
        ends = [Metric(name, value, _milliseconds(one.ended), 0) for name, value in values.items() if value is not None]
        params = [Param(name, str(value)) for name, value in trial.params.items()]
        client.log_batch(run.info.run_id, metrics=[*losses, *ends], params=params)
        status = "FAILED" if trial.state == "failed" else "FINISHED"
        client.set_terminated(run.info.run_id, status, _milliseconds(one.ended))


def _name(entry: Any, trial: Trial) -> str:
    """Return the number of a trial, with its fold where there are several: the one whose trial has the same parameters."""
    folds = entry.folds if len(entry.folds) > 1 else ()
    found = (
        fold.fold
        for fold in folds
        if trial.number < len(fold.history.states) and fold.history.params_of(trial.number) == dict(trial.params)
    )
    fold = next(found, None)
    return f"trial {trial.number}" if fold is None else f"fold {fold}, trial {trial.number}"


def _milliseconds(seconds: float) -> int:
    return int(1000 * seconds)
