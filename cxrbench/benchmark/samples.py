"""Samples of a plan's work, timed in workers: a batch of images under each backbone, a short trial of each kind of head."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from cxrbench.benchmark.features import RecipeFeatures
from cxrbench.data.shifted import time_shifting
from cxrbench.data.split import expected_parts
from cxrbench.execution.failures import failure_reason
from cxrbench.models.features.placement import placement
from cxrbench.models.timing import ExtractionTime, TrialSample, time_extraction, time_trial
from cxrbench.models.training.configuration import TrainingConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cxrbench.benchmark.plan import Plan, PlannedRecipe
    from cxrbench.data.shifted import Shifting
    from cxrbench.execution.devices import DeviceKind
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
        on_gpus: those of them that GPUs extract.
        shiftings: seconds per image.
        trials: seconds of one trial of each unfinished recipe, by its name.
        widths: features per image of each of them.
        failures: the reason of each recipe of which a sample failed, by its name.
        workers: how many calls are computed at once, by the kind of device.
    """

    views: Mapping[Extraction, ExtractionTime]
    on_gpus: frozenset[Extraction]
    shiftings: Mapping[Shifting, float]
    trials: Mapping[str, float]
    widths: Mapping[str, int]
    failures: Mapping[str, str]
    workers: Mapping[DeviceKind, int]


def take_samples(plan: Plan, views: Iterable[Extraction], shiftings: Iterable[Shifting], executor: Executor) -> Samples:
    """Time a sample of each of these views and shifts, and of the trials of each unfinished recipe."""
    shift_times, _ = _timed(lambda _: executor, time_shifting, {one: one for one in shiftings})
    wanted = {view: _sample_of(plan, view) for view in views}
    place = placement(wanted.values(), executor)
    on_gpus = frozenset(view for view, sample in wanted.items() if place(sample) is not executor)
    times, failed_views = _timed(place, time_extraction, wanted)
    samples = {str(recipe): _trial_sample(plan, recipe, times) for recipe in plan.unfinished}
    trials, failures = _timed(lambda _: executor, time_trial, {recipe: sample for recipe, sample in samples.items() if sample})
    for recipe in plan.unfinished:
        needed = recipe.features.views if isinstance(recipe.features, RecipeFeatures) else ()
        failures |= {str(recipe): failed_views[view] for view in needed if view in failed_views}
    widths = {recipe: sample.width for recipe, sample in samples.items() if sample}
    return Samples(
        views=times,
        on_gpus=on_gpus,
        shiftings=shift_times,
        trials=trials,
        widths=widths,
        failures=failures,
        workers={"cpu": executor.workers, "gpu": executor.for_networks().workers if on_gpus else 0},
    )


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
    train, validation, _ = expected_parts(plan.catalogues.main.images.records, protocol)
    return TrialSample(
        width=times[clean].width if clean in times else clean.features.row_shape()[0],
        views=len(recipe.features.views),
        imbalance=recipe.recipe.imbalance,
        train=train,
        validation=validation,
        configuration=TrainingConfiguration(epochs=protocol.epochs, batch_size=protocol.batch_size, patience=protocol.patience),
    )


def _timed(
    place: Callable[[Sample], Executor], function: Callable[[Sample], Time], samples: Mapping[Key, Sample]
) -> tuple[dict[Key, Time], dict[Key, str]]:
    """Return the time of each key's sample, or why it failed; equal samples are timed once."""
    calls = {sample: place(sample).submit(function, sample) for sample in sorted(set(samples.values()), key=str)}
    errors = {sample: call.exception() for sample, call in calls.items()}
    times = {key: calls[sample].result() for key, sample in samples.items() if not errors[sample]}
    return times, {key: failure_reason(error) for key, sample in samples.items() if (error := errors[sample])}
