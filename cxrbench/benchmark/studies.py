"""Open the studies of a recipe, one for each fold, where their trials are recorded."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.benchmark.opened import Opened
from cxrbench.benchmark.selection import refuse_other_selection
from cxrbench.config.seeds import study_seed
from cxrbench.errors import StudyDamaged
from cxrbench.models.features.feature_source import setting_of
from cxrbench.models.training.configuration import TrainingConfiguration
from cxrbench.models.training.jobs import HeadJob
from cxrbench.search.engine import build_engine
from cxrbench.search.record import StudyRecord, read_trials
from cxrbench.search.study import Study, search_space
from cxrbench.storage.files import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from cxrbench.benchmark.context import RunContext
    from cxrbench.benchmark.plan import PlannedRecipe
    from cxrbench.leaderboard.store.folder import ProtocolFolder
    from cxrbench.models.features.feature_source import FeatureSource
    from cxrbench.plugin.specs import Value
    from cxrbench.storage.sharded_array import ShardedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldStudy:
    """The study of one fold and the record of its trials."""

    fold: int
    study: Study
    record: StudyRecord

    @property
    def identity(self) -> str:
        """The identity of the study: the hash of everything that it depends on."""
        return self.study.job.study


def open_heads(run: RunContext, recipe: PlannedRecipe) -> Opened:
    """Wait for the features of a recipe, and open the study of every fold, or resume it.

    Raises:
        FeaturesUnavailable: the weights of the backbone cannot be had.
        TestSetLocked: another selection has scored the test images.
        StudyDamaged: a journal cannot be read.
        PluginError: the engine or the space of a plugin is invalid.
    """
    source, seconds = run.extraction.wait(recipe)
    refuse_other_selection(run, recipe)
    studies = []
    for fold in range(run.protocol.folds):
        study = _fold_study(run, recipe, source, fold)
        studies.append(FoldStudy(fold=fold, study=study, record=open_record(run, recipe, study, fold)))
    say_resumed(run, recipe, studies)
    return Opened(source=source, studies=studies, seconds=seconds)


def say_resumed(run: RunContext, recipe: PlannedRecipe, studies: Iterable[FoldStudy]) -> None:
    """Show which studies go on with trials of an earlier run."""
    for one in studies:
        wanted = one.study.trials
        if done := sum(trial.number < wanted for trial in one.record.finished()):
            name = f"{recipe}, fold {one.fold}" if run.protocol.folds > 1 else str(recipe)
            run.callbacks.on_resume(name, done, wanted)


def count_finished(studies: Iterable[FoldStudy]) -> dict[str, dict[str, int]]:
    """Return the finished trials of each study by state, by its identity; a record that cannot be read is left out."""
    counts: dict[str, dict[str, int]] = {}
    for one in studies:
        with suppress(StudyDamaged, OSError):  # that is why the recipe failed
            counts[one.identity] = dict(
                Counter(trial.state for trial in one.record.finished() if trial.number < one.study.trials)
            )
    return counts


def count_recorded(store: ProtocolFolder, recipe: PlannedRecipe) -> int:
    """Return the finished trials of a recipe that its studies record, in all folds. Nothing is written."""
    names = store.database.names() if store.database else set()
    count = 0
    for identity in recipe.studies:
        journal, name = store.study(identity), store.study_name(str(recipe), identity)
        if store.database and name in names:
            count += len(read_trials(store.database, name))
        elif not store.database and journal.is_file():
            count += len(read_trials(journal, str(recipe)))
    return count


def _fold_study(run: RunContext, recipe: PlannedRecipe, source: FeatureSource, fold: int) -> Study:
    protocol, job = run.protocol, head_job(run, recipe, fold)
    if not source.space:
        job = replace(job, views=source.views({}), shifted=shifted_validation(run, recipe, fold, {}))
    space = search_space(protocol.threshold, job.strategy_space, source.space)

    def job_of(params: Mapping[str, Value]) -> HeadJob:
        if not source.space:
            return job
        views = source.views(params)
        study = digest([job.study, *(view.folder.name for view in views)])
        shifted = shifted_validation(run, recipe, fold, setting_of(source.space, params))
        return replace(job, study=study, views=views, shifted=shifted)

    return Study(
        job=job,
        job_of=job_of,
        space=space,
        engine=build_engine(run.plan.request.engine, space, job.seed, protocol.trials),
        trials=protocol.trials,
        generation=protocol.generation,
        policy=protocol.threshold,
        metric=protocol.metric,
        pruning=protocol.pruning,
        max_failures=run.plan.request.settings.max_failures,
    )


def head_job(run: RunContext, recipe: PlannedRecipe, fold: int) -> HeadJob:
    """Return the training job of a fold's heads, on the views that are there before the search."""
    labels, rows, protocol, images = run.dataset.labels, run.dataset.rows, run.protocol, run.splits[fold]
    views = recipe.arrays
    return HeadJob(
        study=recipe.studies[fold],
        views=views,
        imbalance=recipe.recipe.imbalance,
        train=(rows[images.train], labels[images.train]),
        validation=(rows[images.validation], labels[images.validation]),
        patients=np.unique(run.dataset.patients[images.validation], return_inverse=True)[1],
        configuration=TrainingConfiguration(epochs=protocol.epochs, batch_size=protocol.batch_size, patience=protocol.patience),
        seed=study_seed(protocol.seed, recipe.recipe.canonical, fold),
    )


def shifted_validation(
    run: RunContext, recipe: PlannedRecipe, fold: int, setting: Mapping[str, Value]
) -> tuple[tuple[ShardedArray, NDArray[np.int64]], ...]:
    """Return the validation images of a fold under each development shift, with this setting of the backbone."""
    if run.development is None:
        return ()
    places = run.development.places(run.dataset.rows[run.splits[fold].validation])
    return tuple((run.development.view(recipe, setting, shift), places) for shift in run.development.wanted)


def open_record(run: RunContext, recipe: PlannedRecipe, study: Study, fold: int) -> StudyRecord:
    """Open the record of the trials of a study."""
    store, identity = run.store, study.job.study
    about = {"recipe": str(recipe), "fold": fold, "protocol": store.name, "dataset": run.protocol.dataset}
    if store.database is None:
        return StudyRecord(store.study(identity), str(recipe), study.space, about, study.metric)
    name = store.study_name(str(recipe), identity)
    return StudyRecord(store.database, name, study.space, {**about, "identity": identity}, study.metric)
