"""One recipe from its features to its entry: search, freeze the selection, score the test fold once."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cxrbench.contest import study_identity
from cxrbench.evaluation.metrics import metrics
from cxrbench.evaluation.predictions import Prediction, read_predictions, write_predictions
from cxrbench.execution import reason_of
from cxrbench.files import seed_from
from cxrbench.search.engine import build_engine
from cxrbench.search.record import StudyRecord
from cxrbench.search.study import Study, run_study, search_space, select_trial
from cxrbench.training.regimen import Regimen
from cxrbench.training.worker import HeadJob, score_images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.contest import Contest
    from cxrbench.execution import Executor
    from cxrbench.leaderboard.entry import Entry
    from cxrbench.plugin.contracts import Trial
    from cxrbench.recipe import Recipe
    from cxrbench.shards import ShardedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A recipe's features.

    Attributes:
        views: the clean view and then the augmented ones.
        seconds: worker time that they took.
        problem: why they could not be extracted; empty if they could.
    """

    views: tuple[ShardedArray, ...]
    seconds: float
    problem: str = ""


def compete(
    contest: Contest, recipe: Recipe, prepared: Prepared, executor: Executor, on_trial: Callable[[Trial], None]
) -> Entry:
    """Return a recipe's entry; whatever goes wrong becomes its reason. `on_trial` is told of each finished trial."""
    if prepared.problem:
        return contest.blank_entry(recipe, "failed", prepared.problem)
    try:
        return _compete(contest, recipe, prepared, executor, on_trial)
    except Exception as error:
        return contest.blank_entry(recipe, "failed", reason_of(error))


def _compete(
    contest: Contest, recipe: Recipe, prepared: Prepared, executor: Executor, on_trial: Callable[[Trial], None]
) -> Entry:
    protocol, identity = contest.protocol, study_identity(contest.protocol, contest.engine, recipe, prepared.views)
    job = _job(contest, recipe, identity, prepared.views)
    space = search_space(protocol.threshold, job.strategy_space)
    study = Study(
        job=job,
        space=space,
        engine=build_engine(contest.engine, space, job.seed),
        generation=protocol.generation,
        policy=protocol.threshold,
        metric=protocol.metric,
        pruning=protocol.pruning,
    )
    record = StudyRecord(contest.folder.study(identity), str(recipe), space)
    trials = run_study(study, record, protocol.trials, executor, on_trial)
    selected = select_trial(trials)
    start = time.perf_counter()
    _score(contest, recipe, job, selected, executor)
    entry = _entry(contest, recipe, trials, selected)
    search, evaluation = sum(trial.seconds for trial in trials), time.perf_counter() - start
    seconds = {"features": round(prepared.seconds, 3), "search": round(search, 3), "evaluation": round(evaluation, 3)}
    return entry.model_copy(update={"study": identity, "seconds": seconds})


def _job(contest: Contest, recipe: Recipe, identity: str, views: tuple[ShardedArray, ...]) -> HeadJob:
    labels, rows, split, protocol = contest.dataset.labels, contest.dataset.rows, contest.split, contest.protocol
    return HeadJob(
        study=identity,
        views=views,
        imbalance=recipe.imbalance,
        train=(rows[split.train], labels[split.train]),
        validation=(rows[split.validation], labels[split.validation]),
        regimen=Regimen(epochs=protocol.epochs, batch_size=protocol.batch_size, patience=protocol.patience),
        seed=seed_from(protocol.seed, str(recipe)),
    )


def _score(contest: Contest, recipe: Recipe, job: HeadJob, selected: Trial, executor: Executor) -> None:
    """Score validation and test images with the selected trial and store the table."""
    test = contest.split.test
    images = contest.dataset.rows[test]
    validation_scores, test_scores = executor.submit(score_images, job, selected.number, selected.params, images).result()
    write_predictions(
        contest.folder.predictions(recipe),
        [
            *_predictions(contest, "validation", contest.split.validation, validation_scores),
            *_predictions(contest, "test", test, test_scores),
        ],
    )


def _predictions(
    contest: Contest, part: Literal["validation", "test"], rows: NDArray[np.int64], scores: NDArray[np.float64]
) -> Iterator[Prediction]:
    for row, score in zip(rows, scores, strict=True):
        record = contest.dataset.records[row]
        yield Prediction(
            set=part,
            fold=0,
            seed=contest.protocol.seed,
            key=record.key,
            patient=record.patient,
            label=record.label,
            score=float(score),
        )


def _entry(contest: Contest, recipe: Recipe, trials: list[Trial], selected: Trial) -> Entry:
    """Return the complete entry, its metrics computed from the stored predictions."""
    path, metric = contest.folder.predictions(recipe), contest.protocol.metric
    threshold = float(selected.params["threshold"])
    validation = metrics(*read_predictions(path, "validation"), threshold)
    return contest.blank_entry(recipe, "complete").model_copy(
        update={
            "metrics": metrics(*read_predictions(path, "test"), threshold),
            "validation": validation,
            "selected_by": metric,
            "selected_trial": selected.number,
            "threshold": threshold,
            "params": dict(selected.params),
            "trials": dict(Counter(trial.state for trial in trials)),
            "predictions": f"predictions/{path.name}",
            "warnings": (*contest.warnings, *_unrepeated(metric, selected, validation[metric])),
        }
    )


def _unrepeated(metric: str, selected: Trial, value: float) -> tuple[str, ...]:
    """Return a warning if the selected trial, trained again, is not the one that was selected."""
    if abs(value - (selected.value or 0.0)) < 1e-9:
        return ()
    return (
        f"trial {selected.number} had {metric} {selected.value:.6f} on validation when it was selected and {value:.6f} when it "
        "was trained again: the machine or a package has changed in between",
    )
