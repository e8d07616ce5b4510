"""Record a study's finished trials in an Optuna storage, which Optuna's own tools can read."""

from __future__ import annotations

import warnings
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cxrbench.plugin.contracts import Trial
from cxrbench.plugin.specs import Choice, Float, Int
from cxrbench.storage.files import reporting_full_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.study import Study as OptunaStudy
    from optuna.trial import FrozenTrial, TrialState

    from cxrbench.plugin.contracts import State
    from cxrbench.plugin.specs import Parameter, Space
    from cxrbench.search.database import Database

T = TypeVar("T")

THRESHOLD = "threshold"
INTERMEDIATE = {"intermediate_values": "validation cross-entropy of each epoch, from 0"}
"""User attribute of every study: Optuna has no name for what a trial reports on its way."""


class StudyRecord:
    """One Optuna study, in its own journal file or in a shared database; only the parent process opens it."""

    def __init__(
        self, place: Path | Database, name: str, space: Space, about: Mapping[str, Any] | None = None, metric: str = ""
    ) -> None:
        """Open the record at `place`, or create it.

        Args:
            place: the path of a journal, or a database.
            name: the name of the study.
            space: the searched parameters.
            about: user attributes of the Optuna study, shown by Optuna's tools.
            metric: what the study maximises on validation images, likewise.

        Raises:
            DiskFull: the disk has no space for the journal.
            StudyDamaged: the journal cannot be read.
            StorageLost: the database is unavailable.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._guarded = partial(_reporting_journal_errors, place) if isinstance(place, Path) else place.retry
        self._study = self._guarded(lambda: _open_study(place, name, about or {}, metric))

    def finished(self) -> list[Trial]:
        """Return the recorded trials, sorted by number; if a number occurs twice, the first one recorded."""
        return self._guarded(lambda: _trials_of(self._study))

    def add(self, trial: Trial, ended: datetime | None = None) -> None:
        """Record a finished trial, which ended now if nothing else is said, and began as many seconds earlier as it took."""
        import optuna

        distributions = {name: _distribution(parameter) for name, parameter in self._space.items() if name in trial.params}
        if THRESHOLD in trial.params and THRESHOLD not in distributions:  # chosen, not searched: recorded as a single point
            point = float(trial.params[THRESHOLD])
            distributions[THRESHOLD] = optuna.distributions.FloatDistribution(point, point)
        attributes = {"number": trial.number, "losses": list(trial.losses), "seconds": trial.seconds, "reason": trial.reason}
        if trial.log:
            attributes["log"] = list(trial.log)
        if trial.failure:
            attributes["failure"] = trial.failure
        if trial.batch_size:
            attributes["batch_size"] = trial.batch_size
        frozen = optuna.trial.create_trial(
            state=_states()[trial.state],
            value=trial.value,
            params=dict(trial.params),
            distributions=distributions,
            intermediate_values=dict(enumerate(trial.losses)),
            user_attrs=attributes,
        )
        frozen.datetime_complete = ended or datetime.now()  # in local time, as Optuna's own
        frozen.datetime_start = frozen.datetime_complete - timedelta(seconds=trial.seconds)
        self._add(trial.number, frozen)

    def _add(self, number: int, trial: FrozenTrial) -> None:
        """Add a trial once; after a lost connection, check first whether it was recorded."""
        attempted = False

        def add() -> None:
            nonlocal attempted
            if attempted and any(recorded.number == number for recorded in _trials_of(self._study)):
                return
            attempted = True
            self._study.add_trial(trial)

        self._guarded(add)


def _reporting_journal_errors(path: Path, call: Callable[[], T]) -> T:
    from cxrbench.search.journal import reporting_damage

    with reporting_full_disk(path.parent), reporting_damage(path):
        return call()


def _open_study(place: Path | Database, name: str, about: Mapping[str, Any], metric: str) -> OptunaStudy:
    """Open a study, or create it; existing trials stay as they are."""
    import optuna

    storage: BaseStorage
    if isinstance(place, Path):
        from cxrbench.search.journal import open_journal

        storage = open_journal(place)
    else:
        storage = place.storage
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        study = optuna.create_study(study_name=name, storage=storage, direction="maximize", load_if_exists=True)
    told = {**about, **INTERMEDIATE} if about else {}
    known = study.user_attrs if told else {}
    for key, value in told.items():
        if known.get(key) != value:
            study.set_user_attr(key, value)
    if metric:
        _name_objective(study, f"validation_{metric}")
    return study


def _name_objective(study: OptunaStudy, name: str) -> None:
    """Name what the study maximises, unless it has this name; Optuna says that names of objectives are experimental."""
    from optuna.exceptions import ExperimentalWarning

    if study.metric_names != [name]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names([name])


def read_trials(place: Path | Database, name: str) -> list[Trial]:
    """Return the trials of an existing study as `StudyRecord.finished` does, without writing anything."""
    import optuna

    from cxrbench.search.journal import read_journal

    storage: BaseStorage = read_journal(place) if isinstance(place, Path) else place.storage
    return _trials_of(optuna.load_study(study_name=name, storage=storage))


def _trials_of(study: OptunaStudy) -> list[Trial]:
    trials: dict[int, Trial] = {}
    for trial in study.get_trials(deepcopy=False, states=tuple(_states().values())):
        if "number" in trial.user_attrs:  # others were added with Optuna's own tools
            trials.setdefault(trial.user_attrs["number"], _from_optuna(trial))
    return [trials[number] for number in sorted(trials)]


def _from_optuna(trial: FrozenTrial) -> Trial:
    attributes = trial.user_attrs
    return Trial(
        number=attributes["number"],
        params=dict(trial.params),
        state=next(name for name, state in _states().items() if state == trial.state),
        value=trial.value,
        losses=tuple(attributes.get("losses", ())),
        seconds=attributes.get("seconds", 0.0),
        failure=attributes.get("failure"),
        reason=attributes.get("reason", ""),
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
