"""One fold of one recipe: search, freeze the selection, open the seal, score the test images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.benchmark.context import study_identity
from cxrbench.benchmark.selection import Selection, freeze, halved_features, halved_scoring, halved_training, submit_scoring
from cxrbench.evaluation.metrics import confusion, metrics
from cxrbench.evaluation.predictions import Predictions
from cxrbench.leaderboard.store.entry import Confusion, FoldResult, HeadResult
from cxrbench.models.training.configuration import TrainingConfiguration
from cxrbench.models.training.jobs import HeadJob
from cxrbench.search.engine import build_engine
from cxrbench.search.record import StudyRecord
from cxrbench.search.study import Study, run_study, search_space, select_trial
from cxrbench.storage.files import digest, seed_from

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from cxrbench.benchmark.context import Contest
    from cxrbench.config.protocol import Protocol
    from cxrbench.config.recipe import Recipe
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.evaluation.predictions import Subset
    from cxrbench.execution.executor import Executor
    from cxrbench.models.features.feature_source import FeatureSource
    from cxrbench.plugin.contracts import Failure, Trial
    from cxrbench.plugin.specs import Value
    from cxrbench.storage.sharded_array import ShardedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A recipe's features.

    Attributes:
        supply: where they come from.
        base: what they are called, apart from any setting.
        seconds: worker time that they took.
        problem: why they could not be extracted; empty if they could.
        failure: what sort of failure that was.
        log: the last lines of what was printed when they could not.
    """

    feature_source: FeatureSource
    base: tuple[ShardedArray, ...]
    seconds: float
    problem: str = ""
    failure: Failure | None = None
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldOutcome:
    """What one fold came to, the predictions and the frozen heads included."""

    result: FoldResult
    units: tuple[Predictions, ...]
    predictions: tuple[Predictions, ...]
    selections: tuple[Selection, ...]
    warnings: tuple[str, ...]
    search_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who hears of a recipe's search.

    Attributes:
        on_resume: told of a fold, and how many of its trials were finished before.
        on_trial: told of each finished trial.
    """

    on_resume: Callable[[int, int], None]
    on_trial: Callable[[Trial], None]


def compete_in_fold(
    contest: Contest,
    recipe: Recipe,
    fold: int,
    prepared: Prepared,
    executor: Executor,
    *,
    listener: Listener,
    on_record: Callable[[str, StudyRecord], None],
) -> FoldOutcome:
    """Search on the images of a fold that may be learnt from, and score its test images with what was selected.

    `on_record` is told what the study is called and where its trials are recorded.
    """
    protocol = contest.protocol
    study = _study(contest, _job(contest, recipe, fold, prepared), prepared.feature_source)
    record = _record(contest, recipe, fold, study)
    on_record(study.job.study, record)
    if done := sum(trial.number < protocol.trials for trial in record.finished()):
        listener.on_resume(fold, done)
    trials = run_study(study, record, protocol.trials, executor, listener.on_trial)
    selected = select_trial(trials)
    job = study.job_of(selected.params)  # on the features that it was selected with
    selections = freeze(protocol, fold, job, selected, executor)
    scored = [_open_and_score(contest, recipe, job, one, executor) for one in selections]
    tested = [one for one, _ in scored]
    units = tuple(one.at(selection.threshold) for one, selection in zip(tested, selections, strict=True))
    validated = _validated(contest, selections)
    first = metrics(validated[0].labels, validated[0].scores, selections[0].threshold, prevalence=protocol.prevalence)
    return FoldOutcome(
        result=FoldResult(
            fold=fold,
            study=study.job.study,
            selected_trial=selected.number,
            params=dict(selections[0].params),
            validation=first,
            trials=dict(Counter(trial.state for trial in trials)),
            heads=tuple(head_result(protocol, unit, one.identity) for unit, one in zip(units, selections, strict=True)),
        ),
        units=units,
        predictions=(*validated, *tested),
        selections=selections,
        warnings=(
            *_unrepeated(protocol.metric, selected, first[protocol.metric]),
            *halved_features(job.views),
            *halved_training(protocol.batch_size, selected, selections),
            *halved_scoring("test", (at_once for _, at_once in scored)),
        ),
        search_seconds=sum(trial.seconds for trial in trials),
    )


def _validated(contest: Contest, selections: Sequence[Selection]) -> list[Predictions]:
    return [
        scored_images(
            "validation", contest.dataset, contest.folds[one.fold].validation, one.head.scores, fold=one.fold, seed=one.seed
        )
        for one in selections
    ]


def head_result(protocol: Protocol, unit: Predictions, selection: str) -> HeadResult:
    """Return the test result of one head."""
    return HeadResult(
        seed=unit.seed,
        threshold=unit.operating_point,
        selection=selection,
        confusion=Confusion(**confusion(unit.labels, unit.scores, unit.operating_point)),
        metrics=metrics(
            unit.labels, unit.scores, unit.operating_point, prevalence=protocol.prevalence, also_at=protocol.also_at
        ),
    )


def scored_images(
    part: Subset, dataset: LoadedDataset, rows: NDArray[np.int64], scores: NDArray[np.float64], *, fold: int, seed: int
) -> Predictions:
    """Return scores together with what is known of the images: row numbers of the dataset, and a score for each."""
    records = [dataset.records[row] for row in rows]
    return Predictions(
        subset=part,
        fold=fold,
        seed=seed,
        keys=np.array([record.key for record in records]),
        patients=np.array([record.patient for record in records]),
        labels=np.array([record.label for record in records], dtype=np.int64),
        scores=scores,
    )


def _job(contest: Contest, recipe: Recipe, fold: int, prepared: Prepared) -> HeadJob:
    labels, rows, protocol, learning = contest.dataset.labels, contest.dataset.rows, contest.protocol, contest.folds[fold]
    return HeadJob(
        study=study_identity(protocol, fold, contest.engine, recipe, prepared.base),
        views=prepared.base,
        imbalance=recipe.imbalance,
        train=(rows[learning.train], labels[learning.train]),
        validation=(rows[learning.validation], labels[learning.validation]),
        configuration=TrainingConfiguration(epochs=protocol.epochs, batch_size=protocol.batch_size, patience=protocol.patience),
        seed=seed_from(protocol.seed, str(recipe), *([fold] if fold else [])),
    )


def _record(contest: Contest, recipe: Recipe, fold: int, study: Study) -> StudyRecord:
    folder, identity = contest.folder, study.job.study
    about = {"recipe": str(recipe), "fold": fold, "protocol": folder.name, "dataset": contest.protocol.dataset}
    if folder.database is None:
        return StudyRecord(folder.study(identity), str(recipe), study.space, about)
    return StudyRecord(folder.database, folder.study_name(str(recipe), identity), study.space, {**about, "identity": identity})


def _study(contest: Contest, job: HeadJob, feature_source: FeatureSource) -> Study:
    protocol = contest.protocol
    space = search_space(protocol.threshold, job.strategy_space, feature_source.space)

    def job_of(params: Mapping[str, Value]) -> HeadJob:
        if not feature_source.space:
            return job
        views = feature_source.views(params)
        return replace(job, study=digest([job.study, *(view.folder.name for view in views)]), views=views)

    return Study(
        job=job,
        job_of=job_of,
        space=space,
        engine=build_engine(contest.engine, space, job.seed),
        generation=protocol.generation,
        policy=protocol.threshold,
        metric=protocol.metric,
        pruning=protocol.pruning,
        max_failures=contest.max_failures,
    )


def _open_and_score(
    contest: Contest, recipe: Recipe, job: HeadJob, selection: Selection, executor: Executor
) -> tuple[Predictions, int]:
    """Return the scores of the test images, and how many of those were scored at once."""
    test = contest.test.open(recipe.file_stem, selection.fold, selection.seed, selection.identity)
    images = contest.dataset.rows[test]
    fitted = submit_scoring(selection, job.views[0], images, executor).result()
    scored = scored_images("test", contest.dataset, test, fitted.value, fold=selection.fold, seed=selection.seed)
    return scored, fitted.batch


def _unrepeated(metric: str, selected: Trial, value: float) -> tuple[str, ...]:
    """Return a warning if the selected trial, trained again, is not the one that was selected."""
    if abs(value - (selected.value or 0.0)) < 1e-9:
        return ()
    return (
        f"trial {selected.number} had {metric} {selected.value:.6f} on validation when it was selected and {value:.6f} when it "
        "was trained again: the machine or a package has changed in between",
    )


def pooled(outcomes: Sequence[FoldOutcome]) -> list[Predictions]:
    """Return the predictions of all folds."""
    return [scored for outcome in outcomes for scored in outcome.predictions]
