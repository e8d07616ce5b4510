"""Freeze what validation selected, and score test images with what is frozen."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.benchmark.scores import image_predictions
from cxrbench.data.batches import BATCH
from cxrbench.evaluation.calibration import at_temperature, fit_temperature
from cxrbench.evaluation.predictions import MEAN_OF_SEEDS
from cxrbench.evaluation.versions import choose_pooled_threshold
from cxrbench.execution.retry import submit_with_retry
from cxrbench.leaderboard.store.entry import LearningCurves
from cxrbench.leaderboard.store.test_lock import locked
from cxrbench.models.features.extraction import smallest_batch
from cxrbench.models.training.configuration import SCORED_AT_ONCE
from cxrbench.models.training.frozen import score_images
from cxrbench.search.record import THRESHOLD
from cxrbench.search.study import SEARCHED_THRESHOLD
from cxrbench.storage.files import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from cxrbench.benchmark.context import RunContext
    from cxrbench.benchmark.plan import PlannedRecipe
    from cxrbench.config.protocol import Protocol
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.evaluation.predictions import Predictions, Subset
    from cxrbench.execution.executor import Executor
    from cxrbench.execution.retry import BatchResult
    from cxrbench.models.training.frozen import FrozenModel, TrainingJob
    from cxrbench.plugin.contracts import Trial
    from cxrbench.plugin.specs import Value
    from cxrbench.storage.sharded_array import ShardedArray


CURVE_DECIMALS = 6
"""Of stored learning curves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A head that validation selected, with everything that must not change once test images are scored.

    The mean of the heads of all seeds is such a selection, too, of several heads.

    Attributes:
        seed: number of the repeat of the training, or `MEAN_OF_SEEDS`.
        params: without the threshold.
        identity: hash of study, trial, parameters, threshold and, if it is not 1, temperature.
        batch_size: rows per optimizer step of its training.
        models: the trained head or network, or several whose logits are averaged.
        view: the features that it was trained on.
        validated: its predictions for the validation images as they are, and then under each development shift.
        temperature: what its logits are divided by, everywhere but in `models`.
    """

    fold: int
    seed: int
    params: Mapping[str, Value]
    threshold: float
    identity: str
    batch_size: int
    models: tuple[FrozenModel, ...]
    view: ShardedArray
    validated: tuple[Predictions, ...]
    temperature: float = 1.0

    @property
    def model(self) -> FrozenModel:
        """Its only model, or the first of several."""
        return self.models[0]

    @property
    def curves(self) -> LearningCurves:
        """The learning curves, as the entry holds them."""
        curves = asdict(self.model.curves)
        return LearningCurves(**{name: tuple(round(value, CURVE_DECIMALS) for value in curves[name]) for name in curves})

    def predictions(
        self, dataset: LoadedDataset, rows: NDArray[np.int64], subset: Subset, scores: NDArray[np.float64]
    ) -> Predictions:
        """Return scores that its models gave images of a dataset, float64 ``[n]``, at its temperature, with its threshold."""
        calibrated = at_temperature(scores, self.temperature)
        return image_predictions(dataset, rows, calibrated, (subset, self.fold, self.seed), self.threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredTest:
    """A frozen head, its test predictions, and how many images were scored at once.

    Attributes:
        model: SHA-256 of its stored weights; empty if they are not kept.
    """

    selection: Selection
    model: str
    predictions: Predictions
    at_once: int


def freeze(run: RunContext, fold: int, job: TrainingJob, selected: Trial) -> tuple[Selection, ...]:
    """Train the selected trial once for each seed, and choose the threshold of each head on its validation scores.

    The batch size is that of the trial, so that training repeats exactly, unless less memory is left now.
    """

    def train(seed: int) -> Future[BatchResult[FrozenModel]]:
        return submit_with_retry(
            lambda batch: run.executor.submit(job.in_batches(batch).freeze, selected.number, selected.params, seed),
            selected.batch_size or job.configuration.batch_size,
        )

    rows = run.splits[fold].validation
    calls = [train(seed) for seed in range(run.protocol.seeds)]
    found = []
    for seed, trained in enumerate(call.result() for call in calls):
        raw = trained.value.scores
        scored = _calibrated(run.protocol, job, raw, _threshold(run.protocol, job, selected, raw if seed else None))
        chosen = {**selected.params, THRESHOLD: scored.threshold}
        found.append(
            Selection(
                fold=fold,
                seed=seed,
                params={name: value for name, value in selected.params.items() if name != THRESHOLD},
                threshold=scored.threshold,
                identity=digest([job.study, fold, seed, selected.number, chosen, *scored.of_identity]),
                batch_size=trained.batch,
                models=(trained.value,),
                view=job.views[0],
                validated=tuple(
                    image_predictions(run.dataset, rows, scores, ("validation", fold, seed), scored.threshold)
                    for scores in scored.scores
                ),
                temperature=scored.temperature,
            )
        )
    return tuple(found)


def freeze_mean(run: RunContext, selections: Sequence[Selection], job: TrainingJob, selected: Trial) -> Selection | None:
    """Return the mean of the heads of all seeds, its threshold from its own validation scores; None for one seed."""
    if len(selections) == 1:
        return None
    first, models = selections[0], tuple(selection.model for selection in selections)
    mean = replace(first, seed=MEAN_OF_SEEDS, models=models)
    calls = [submit_scoring(mean, view, rows, run.executor) for view, rows in job.validation_versions]
    raw = np.stack([call.result().value for call in calls])
    scored = _calibrated(run.protocol, job, raw, _threshold(run.protocol, job, selected, raw))
    validated = tuple(
        replace(one, seed=MEAN_OF_SEEDS, scores=of_version, threshold=scored.threshold)
        for one, of_version in zip(first.validated, scored.scores, strict=True)
    )
    identity = digest([*(selection.identity for selection in selections), scored.threshold, *scored.of_identity])
    return replace(mean, threshold=scored.threshold, identity=identity, validated=validated, temperature=scored.temperature)


def _threshold(protocol: Protocol, job: TrainingJob, selected: Trial, scores: NDArray[np.float64] | None) -> float:
    """Return the threshold of the trial for its own head (None), else the best one for these scores ``[versions, n]``."""
    if scores is None or protocol.threshold == SEARCHED_THRESHOLD:
        return float(selected.params[THRESHOLD])
    return choose_pooled_threshold(protocol.threshold, job.validation[1], scores, job.patients)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Calibrated:
    """Validation scores ``[versions, n]`` and a threshold at a temperature, which moves no score across the threshold."""

    temperature: float
    scores: NDArray[np.float64]
    threshold: float

    @property
    def of_identity(self) -> tuple[float, ...]:
        """What it adds to the identity of a selection: nothing without a calibration."""
        return () if self.temperature == 1 else (self.temperature,)


def _calibrated(protocol: Protocol, job: TrainingJob, scores: NDArray[np.float64], threshold: float) -> _Calibrated:
    """Return scores and threshold at the temperature that fits the scores of the images as they are, or at 1."""
    temperature = fit_temperature(job.validation[1], scores[0]) if protocol.calibrate == "temperature" else 1.0
    return _Calibrated(
        temperature=temperature,
        scores=at_temperature(scores, temperature),
        threshold=float(at_temperature(np.array(threshold), temperature)),
    )


def refuse_other_selection(run: RunContext, recipe: PlannedRecipe) -> None:
    """Raise TestSetLocked before the search rather than after it, if an earlier result had another identity."""
    if run.store.test_lock.is_recorded(recipe.stem):
        earlier = run.store.complete_entry(recipe.stem)
        if earlier and earlier.study not in {"", recipe.identity}:
            raise locked("of this protocol")


def score_test(run: RunContext, recipe: PlannedRecipe, selection: Selection) -> ScoredTest:
    """Store the frozen head and record it in the test-set lock, then score the test images of its fold.

    The mean of several heads needs no file of its own.

    Raises:
        TestSetLocked: another selection of this recipe has scored them.
    """
    kept = run.plan.request.settings.models and selection.seed != MEAN_OF_SEEDS
    model = _keep(run, recipe, selection) if kept else ""
    test = run.test.open(recipe.stem, selection.fold, selection.seed, selection.identity)
    scored = submit_scoring(selection, selection.view, run.dataset.rows[test], run.executor).result()
    predictions = selection.predictions(run.dataset, test, "test", scored.value)
    return ScoredTest(selection=selection, model=model, predictions=predictions, at_once=scored.batch)


def _keep(run: RunContext, recipe: PlannedRecipe, selection: Selection) -> str:
    """Store the weights of a head, and return their SHA-256."""
    path = run.store.model(recipe.recipe.file_stem, recipe.stage, selection.fold, selection.seed)
    return selection.model.scorer.write(path)


def submit_scoring(
    selection: Selection, view: ShardedArray, images: NDArray[np.int64], executor: Executor
) -> Future[BatchResult[NDArray[np.float64]]]:
    """Have images scored by a frozen selection, fewer at once if memory is short."""
    scorers = [model.scorer for model in selection.models]
    return submit_with_retry(lambda at_once: executor.submit(score_images, scorers, view, images, at_once), SCORED_AT_ONCE)


def smaller_extraction_warnings(views: Iterable[ShardedArray]) -> tuple[str, ...]:
    """Return a warning if features were extracted in smaller batches than usual, in this run or in an earlier one."""
    if (batch := smallest_batch(views)) >= BATCH:
        return ()
    return (f"features were extracted in batches of {batch} images: {BATCH} did not fit in memory",)


def smaller_scoring_warnings(what: str, at_once: Iterable[int]) -> tuple[str, ...]:
    """Return a warning if images were scored in smaller batches than usual."""
    smallest = min(at_once, default=SCORED_AT_ONCE)
    if smallest == SCORED_AT_ONCE:
        return ()
    return (f"{what} images were scored in batches of {smallest:,}: {SCORED_AT_ONCE:,} did not fit in memory",)


def smaller_training_warnings(batch_size: int, selected: Trial, selections: Sequence[Selection]) -> tuple[str, ...]:
    """Return a warning if heads were trained in smaller batches than the `batch_size` of the protocol."""
    sizes = sorted({selected.batch_size or batch_size, *(one.batch_size for one in selections)}, reverse=True)
    if sizes == [batch_size]:
        return ()
    trained = " and ".join(map(str, sizes))
    return (f"trial {selected.number} was trained in batches of {trained} rows: {batch_size} did not fit in memory",)
