"""One recipe from its features to its entry: search, freeze the selection, score the test fold once."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cxrbench.component import Part, check_options
from cxrbench.evaluation.metrics import metrics
from cxrbench.evaluation.predictions import Prediction, read_predictions, write_predictions
from cxrbench.execution import reason_of
from cxrbench.files import digest, seed_from
from cxrbench.leaderboard.entry import Entry, Status
from cxrbench.search.record import StudyRecord
from cxrbench.search.study import Study, run_study, search_space, select_trial
from cxrbench.training.regimen import Regimen
from cxrbench.training.worker import HeadJob, score_images
from cxrbench.versions import all_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from cxrbench.config import Protocol
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.split import Split
    from cxrbench.execution import Executor
    from cxrbench.features.store import FeatureView
    from cxrbench.leaderboard.folder import ProtocolFolder
    from cxrbench.plugin.contracts import Proposer, Trial
    from cxrbench.plugin.specs import Engine, Space
    from cxrbench.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What all recipes of a run share."""

    protocol: Protocol
    engine: Part[Engine]
    dataset: LoadedDataset
    split: Split
    warnings: tuple[str, ...]
    folder: ProtocolFolder

    def study_identity(self, recipe: Recipe) -> str:
        """Return what a recipe's study depends on: the protocol less its budget, and the code of the plugins."""
        return digest([self.protocol.study_identity, self.engine.identity, *recipe.identity])

    def finished(self, recipe: Recipe) -> bool:
        """Return whether an earlier run finished this recipe."""
        return self.folder.finished(recipe, self.study_identity(recipe))

    def blank_entry(self, recipe: Recipe, status: Status, reason: str = "") -> Entry:
        """Return an entry without a result."""
        return Entry(
            protocol=self.protocol.name,
            recipe=str(recipe),
            backbone=str(recipe.backbone.component),
            augmentation=str(recipe.augmentation.component),
            imbalance=str(recipe.imbalance.component),
            control=recipe.backbone.spec.control,
            study=self.study_identity(recipe),
            status=status,
            reason=reason,
            versions=all_versions(),
            dataset=_dataset_facts(self),
            warnings=self.warnings,
        )


def check_engine(engine: Part[Engine], threshold: str) -> None:
    """Raise what is wrong with the engine before any work is done: its options, or a package it needs."""
    check_options(engine, reserved=frozenset({"space", "seed"}))
    _build_engine(engine, search_space(threshold, {}), seed=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A recipe's features: the clean view and then the augmented ones, and the worker seconds they took."""

    views: tuple[FeatureView, ...]
    seconds: float


def compete(
    contest: Contest, recipe: Recipe, prepared: Prepared, executor: Executor, on_trial: Callable[[Trial], None]
) -> Entry:
    """Return a recipe's entry; whatever goes wrong becomes its reason. `on_trial` is told of each finished trial."""
    try:
        return _compete(contest, recipe, prepared, executor, on_trial)
    except Exception as error:
        return contest.blank_entry(recipe, "failed", reason_of(error))


def _compete(
    contest: Contest, recipe: Recipe, prepared: Prepared, executor: Executor, on_trial: Callable[[Trial], None]
) -> Entry:
    start = time.perf_counter()
    protocol, identity = contest.protocol, contest.study_identity(recipe)
    job = _job(contest, recipe, identity, prepared.views)
    space = search_space(protocol.threshold, recipe.imbalance.spec.space)
    study = Study(
        job=job,
        space=space,
        engine=_build_engine(contest.engine, space, job.seed),
        generation=protocol.generation,
        policy=protocol.threshold,
        metric=protocol.metric,
    )
    trials = run_study(
        study, StudyRecord(contest.folder.study(identity), str(recipe), space), protocol.trials, executor, on_trial
    )
    selected = select_trial(trials)
    searched = time.perf_counter()
    _score(contest, recipe, job, selected, executor)
    return _entry(contest, recipe, trials, selected).model_copy(
        update={
            "seconds": {
                "features": round(prepared.seconds, 3),
                "search": round(searched - start, 3),
                "evaluation": round(time.perf_counter() - searched, 3),
            }
        }
    )


def _job(contest: Contest, recipe: Recipe, identity: str, views: tuple[FeatureView, ...]) -> HeadJob:
    labels, split, protocol = contest.dataset.labels, contest.split, contest.protocol
    return HeadJob(
        study=identity,
        views=views,
        imbalance=recipe.imbalance,
        train=(split.train, labels[split.train]),
        validation=(split.validation, labels[split.validation]),
        regimen=Regimen(epochs=protocol.epochs, batch_size=protocol.batch_size, patience=protocol.patience),
        seed=seed_from(protocol.seed, str(recipe)),
    )


def _build_engine(engine: Part[Engine], space: Space, seed: int) -> Proposer:
    built: Proposer = engine.build(space=space, seed=seed)
    return built


def _score(contest: Contest, recipe: Recipe, job: HeadJob, selected: Trial, executor: Executor) -> None:
    """Score validation and test images with the selected trial and store the table."""
    test = contest.split.test
    validation_scores, test_scores = executor.submit(score_images, job, selected.number, selected.params, test).result()
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
    path = contest.folder.predictions(recipe)
    threshold = float(selected.params["threshold"])
    return contest.blank_entry(recipe, "complete").model_copy(
        update={
            "metrics": metrics(*read_predictions(path, "test"), threshold),
            "validation": metrics(*read_predictions(path, "validation"), threshold),
            "selected_by": contest.protocol.metric,
            "selected_trial": selected.number,
            "threshold": threshold,
            "params": dict(selected.params),
            "trials": dict(Counter(trial.state for trial in trials)),
            "predictions": f"predictions/{path.name}",
        }
    )


def _dataset_facts(contest: Contest) -> dict[str, int | str]:
    split = contest.split
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    facts: dict[str, int | str] = {"name": contest.dataset.name, "fingerprint": contest.dataset.fingerprint}
    for part, rows in parts.items():
        normal, pneumonia = np.bincount(contest.dataset.labels[rows], minlength=2)
        facts |= {f"{part}_normal": int(normal), f"{part}_pneumonia": int(pneumonia)}
    return facts | {"skipped": len(contest.dataset.skipped)}
