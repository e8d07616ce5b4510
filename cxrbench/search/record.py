"""The record of a study's finished trials: an Optuna storage, so that Optuna's own tools read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.plugin.contracts import Trial
from cxrbench.plugin.specs import Choice, Float, Int

if TYPE_CHECKING:
    from pathlib import Path

    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, TrialState

    from cxrbench.plugin.contracts import State
    from cxrbench.plugin.specs import Parameter, Space

THRESHOLD = "threshold"


class StudyRecord:
    """One journal file with one Optuna study in it; only the parent process opens it."""

    def __init__(self, path: Path, name: str, space: Space) -> None:
        """Open the record at `path`, or begin it."""
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._space = space
        backend = JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path)))  # a symlink needs rights on Windows
        self._study = optuna.create_study(
            study_name=name, storage=JournalStorage(backend), direction="maximize", load_if_exists=True
        )

    def finished(self) -> list[Trial]:
        """Return the trials on record, sorted by number."""
        return sorted((_from_optuna(trial) for trial in self._study.get_trials()), key=lambda trial: trial.number)

    def add(self, trial: Trial) -> None:
        """Put a finished trial on record."""
        import optuna

        distributions = {name: _distribution(parameter) for name, parameter in self._space.items() if name in trial.params}
        if THRESHOLD in trial.params and THRESHOLD not in distributions:  # chosen, not searched: a single point
            point = float(trial.params[THRESHOLD])
            distributions[THRESHOLD] = optuna.distributions.FloatDistribution(point, point)
        attributes = {"number": trial.number, "losses": list(trial.losses), "seconds": trial.seconds, "reason": trial.reason}
        if trial.log:
            attributes["log"] = list(trial.log)
        if trial.failure:
            attributes["failure"] = trial.failure
        if trial.batch_size:
            attributes["batch_size"] = trial.batch_size
        self._study.add_trial(
            optuna.trial.create_trial(
                state=_states()[trial.state],
                value=trial.value,
                params=dict(trial.params),
                distributions=distributions,
                intermediate_values=dict(enumerate(trial.losses)),
                user_attrs=attributes,
            )
        )


def read_record(path: Path, name: str) -> list[Trial]:
    """Return the trials of a record that is there, sorted by number; nothing is written."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    backend = JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path)))
    study = optuna.load_study(study_name=name, storage=JournalStorage(backend))
    return sorted((_from_optuna(trial) for trial in study.get_trials()), key=lambda trial: trial.number)


def _from_optuna(trial: FrozenTrial) -> Trial:
    attributes = trial.user_attrs
    return Trial(
        number=attributes["number"],
        params=trial.params,
        state=next(name for name, state in _states().items() if state == trial.state),
        value=trial.value,
        losses=tuple(attributes["losses"]),
        seconds=attributes["seconds"],
        failure=attributes.get("failure"),
        reason=attributes["reason"],
        log=tuple(attributes.get("log", ())),
        batch_size=attributes.get("batch_size"),
    )


def _states() -> dict[State, TrialState]:
    from optuna.trial import TrialState

    return {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


def _distribution(parameter: Parameter) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match parameter:
        case Float(low=low, high=high, log=log, step=step):
            return FloatDistribution(low, high, log=log, step=step)
        case Int(low=low, high=high, log=log, step=step):
            return IntDistribution(low, high, log=log, step=step)
        case Choice(options=options):
            return CategoricalDistribution(options)
