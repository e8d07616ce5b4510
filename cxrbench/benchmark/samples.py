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

Key = TypeVar("Key")
Sample = TypeVar("Sample")
Time = TypeVar("Time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The times of samples. What a plugin fails to compute has no time: in the run it will be a row with its reason.

    Attributes:
        views: of the views to extract.
        trials: seconds of one trial of each unfinished recipe, by its name.
    """

    views: Mapping[Extraction, ExtractionTime]
    trials: Mapping[str, float]


def take_samples(plan: Plan, views: Iterable[Extraction], executor: Executor) -> Samples:
    """Time a sample of each of these views, and of the trials of each unfinished recipe."""
    times = _timed(executor, time_extraction, {view: _sample_of(plan, view) for view in views})
    trials = {str(recipe): _trial_sample(plan, recipe, times) for recipe in plan.unfinished}
    known = {recipe: sample for recipe, sample in trials.items() if sample}
    return Samples(views=times, trials=_timed(executor, time_trial, known))


def _sample_of(plan: Plan, view: Extraction) -> Extraction:
    """Return the view whose time stands for this one: all augmented views, and all test sets, take the same time."""
    return replace(view, pixels=plan.catalogues.main.pixels, view=min(view.view, 1))


def _trial_sample(plan: Plan, recipe: PlannedRecipe, times: Mapping[Extraction, ExtractionTime]) -> TrialSample | None:
    """Return what the time of the recipe's trials depends on; None if the width of its features is unknown."""
    if not isinstance(recipe.features, RecipeFeatures):
        return None
    clean = recipe.features.views[0]
    if clean not in times and clean.features.missing():
        return None
    protocol = plan.protocol
    train, validation, _ = expected_parts(plan.catalogues.main.images.records, protocol.split, protocol.folds)
    return TrialSample(
        width=times[clean].width if clean in times else clean.features.row_shape()[0],
        views=len(recipe.features.views),
        imbalance=recipe.recipe.imbalance,
        train=train,
        validation=validation,
        configuration=TrainingConfiguration(epochs=protocol.epochs, batch_size=protocol.batch_size, patience=protocol.patience),
    )


def _timed(executor: Executor, function: Callable[[Sample], Time], samples: Mapping[Key, Sample]) -> dict[Key, Time]:
    """Return the time of each key's sample; equal samples are timed once."""
    calls = {sample: executor.submit(function, sample) for sample in sorted(set(samples.values()), key=str)}
    times: dict[Sample, Time] = {}
    for sample, call in calls.items():
        with suppress(Exception):
            times[sample] = call.result()
    return {key: times[sample] for key, sample in samples.items() if sample in times}
