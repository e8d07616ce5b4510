"""Samples of a plan's work, timed in workers: a batch of images under each backbone, a short trial of each kind of head."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from cxrbench.benchmark.features import RecipeFeatures
from cxrbench.data.split import expected_parts
from cxrbench.models.timing import ExtractionTime, TrialSample, time_extraction, time_trial
from cxrbench.models.training.configuration import TrainingConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cxrbench.benchmark.plan import Plan, PlannedRecipe
    from cxrbench.execution.executor import Executor
    from cxrbench.models.features.extraction import Extraction

Sample = TypeVar("Sample")
Time = TypeVar("Time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The times of samples. What a plugin fails to compute has no time: in the run it will be a row with its reason.

    Attributes:
        views: of the views to extract, by `sample_of`.
        trials: seconds of one trial, by `trial_sample`.
    """

    views: Mapping[Extraction, ExtractionTime]
    trials: Mapping[TrialSample, float]


def take_samples(plan: Plan, views: Iterable[Extraction], executor: Executor) -> Samples:
    """Time a sample of each of these views, and of the trials of each unfinished recipe."""
    of_views = _timed(executor, time_extraction, {sample_of(plan, view) for view in views})
    trials = {trial_sample(plan, recipe, of_views) for recipe in plan.unfinished} - {None}
    return Samples(views=of_views, trials=_timed(executor, time_trial, {sample for sample in trials if sample}))


def sample_of(plan: Plan, view: Extraction) -> Extraction:
    """Return the view whose time stands for this one: all augmented views, and all test sets, take the same time."""
    return replace(view, pixels=plan.catalogues.main.pixels, view=min(view.view, 1))


def trial_sample(plan: Plan, recipe: PlannedRecipe, views: Mapping[Extraction, ExtractionTime]) -> TrialSample | None:
    """Return what the time of the recipe's trials depends on; None if the width of its features is unknown."""
    if not isinstance(recipe.features, RecipeFeatures) or not (width := feature_width(plan, recipe.features.views[0], views)):
        return None
    protocol = plan.protocol
    train, validation, _ = expected_parts(plan.catalogues.main.images.records, protocol.split, protocol.folds)
    return TrialSample(
        width=width,
        views=len(recipe.features.views),
        imbalance=recipe.recipe.imbalance,
        train=train,
        validation=validation,
        configuration=TrainingConfiguration(epochs=protocol.epochs, batch_size=protocol.batch_size, patience=protocol.patience),
    )


def feature_width(plan: Plan, view: Extraction, times: Mapping[Extraction, ExtractionTime]) -> int:
    """Return the number of features per image of a view that was timed or is in the cache, else 0."""
    if time := times.get(sample_of(plan, view)):
        return time.width
    return view.features.row_shape()[0] if not view.features.missing() else 0


def _timed(executor: Executor, function: Callable[[Sample], Time], samples: Iterable[Sample]) -> dict[Sample, Time]:
    calls = {sample: executor.submit(function, sample) for sample in sorted(samples, key=str)}
    times: dict[Sample, Time] = {}
    for sample, call in calls.items():
        with suppress(Exception):
            times[sample] = call.result()
    return times
