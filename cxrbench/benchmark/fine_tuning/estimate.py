"""Estimate the time of training whole networks, from samples of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from cxrbench.benchmark.features import RecipeFeatures
from cxrbench.benchmark.fine_tuning.candidates import Candidate
from cxrbench.benchmark.fine_tuning.planned import place_of, planned_fine_tuning
from cxrbench.benchmark.fine_tuning.studies import BATCH_SIZE
from cxrbench.benchmark.wanted_shifts import divided
from cxrbench.config.recipe import name_in_table
from cxrbench.data.sample import SAMPLE
from cxrbench.data.split import expected_parts
from cxrbench.errors import ConfigError
from cxrbench.execution.failures import failure_reason
from cxrbench.models.fine_tuning.origins import RandomWeights, SelectedHeads
from cxrbench.models.fine_tuning.timing import NetworkSample, NetworkTime, time_network

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cxrbench.benchmark.plan import Plan, PlannedRecipe
    from cxrbench.execution.executor import Executor


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkEstimate:
    """What is known of the training of a network before the heads are trained.

    Attributes:
        network: the name of the row. For the best recipes by validation stand those whose training takes longest.
        seconds: of all its trials, and of scoring with it, if no training ends early.
        problem: why it cannot be trained or timed; an empty string otherwise.
    """

    network: str
    seconds: float
    problem: str


def estimate_networks(plan: Plan, executor: Executor) -> tuple[NetworkEstimate, ...]:
    """Return what the networks take that a run has yet to train, one after the other."""
    certain, count = [*_from_scratch(plan), *_named(plan)], _count_left(plan)
    of_best = _of_each_backbone(plan) if count else []
    if not (certain or of_best):
        return ()
    networks = executor.for_networks()
    times = _times([*certain, *of_best], networks)
    longest = sorted(
        (_estimate(plan, one, times[str(one)], networks.workers) for one in of_best if not _is_refused(times[str(one)])),
        key=lambda one: -one.seconds,
    )
    return *(_estimate(plan, one, times[str(one)], networks.workers) for one in certain), *longest[:count]


def _from_scratch(plan: Plan) -> Iterator[PlannedRecipe]:
    for recipe in plan.from_scratch:
        if isinstance(recipe.features, RecipeFeatures) and (plan.request.settings.fresh or not plan.is_finished(recipe)):
            yield recipe


def _named(plan: Plan) -> Iterator[PlannedRecipe]:
    names = [name_in_table(text) for text in plan.request.settings.fine_tune]
    for recipe in _trainable(plan):
        if str(recipe) in names and not _is_trained(plan, recipe):
            yield _fine_tuned(plan, recipe)


def _count_left(plan: Plan) -> int:
    """Return how many of the best recipes are still to be trained."""
    counts = [int(text) for text in plan.request.settings.fine_tune if text.isdecimal()]
    return max(0, max(counts) - sum(_is_trained(plan, one) for one in _trainable(plan))) if counts else 0


def _of_each_backbone(plan: Plan) -> list[PlannedRecipe]:
    """Return a recipe of each backbone: with an augmentation if there is one, which takes longer."""
    recipes = [one for one in _trainable(plan) if not one.recipe.backbone.spec.control]
    recipes.sort(key=lambda one: one.recipe.augmentation.spec.views)
    return [_fine_tuned(plan, one) for one in {one.recipe.backbone: one for one in recipes}.values()]


def _trainable(plan: Plan) -> list[PlannedRecipe]:
    return [one for one in plan.recipes if isinstance(one.features, RecipeFeatures) and not one.features.is_searched]


def _fine_tuned(plan: Plan, recipe: PlannedRecipe) -> PlannedRecipe:
    settings = plan.request.settings
    budget = {"trials": settings.fine_tune_trials, "epochs": settings.fine_tune_epochs}
    return replace(recipe, stage="fine-tuned", budget=budget, learns_from=settings.fine_tune_from)


def _is_trained(plan: Plan, recipe: PlannedRecipe) -> bool:
    """Return whether the network that starts from the heads of a recipe has a result."""
    settings, entry = plan.request.settings, plan.store.complete_entry(recipe.stem)
    if settings.fresh or entry is None:
        return False
    places = {settings.fine_tune_from, "all"}  # where `auto` found no place to cut
    trained = (
        planned_fine_tuning(Candidate(recipe=recipe, entry=entry, learns_from=place), settings) for place in sorted(places)
    )
    return any(plan.is_finished(one) for one in trained)


def _times(wanted: Sequence[PlannedRecipe], networks: Executor) -> dict[str, NetworkTime | BaseException]:
    """Return the times of samples, or why there are none. All of a network learns where ``auto`` finds no place to cut."""
    times = _timed({str(one): _sample(one) for one in wanted}, networks)
    whole = [replace(one, learns_from="all") for one in wanted if one.learns_from == "auto" and _is_refused(times[str(one)])]
    return times | _timed({str(one): _sample(one) for one in whole}, networks)


def _timed(samples: Mapping[str, NetworkSample], networks: Executor) -> dict[str, NetworkTime | BaseException]:
    """Return the time of each sample, or its error. All workers are busy, as in the run."""
    copies = range(max(1, networks.workers // max(1, len(samples))))
    calls = {name: [networks.submit(time_network, sample) for _ in copies] for name, sample in samples.items()}
    errors = {name: [error for call in some if (error := call.exception())] for name, some in calls.items()}
    return {name: errors[name][0] if errors[name] else _mean(call.result() for call in some) for name, some in calls.items()}


def _mean(times: Iterable[NetworkTime]) -> NetworkTime:
    columns = zip(*((one.setup, one.per_trained, one.per_scored) for one in times), strict=True)
    setup, per_trained, per_scored = (fmean(column) for column in columns)
    return NetworkTime(setup=setup, per_trained=per_trained, per_scored=per_scored)


def _sample(wanted: PlannedRecipe) -> NetworkSample:
    assert isinstance(wanted.features, RecipeFeatures)
    augmentation, where = wanted.recipe.augmentation, place_of(wanted.learns_from)
    return NetworkSample(
        origin=RandomWeights() if wanted.stage == "from-scratch" else SelectedHeads(heads=(), where=where),
        backbone=wanted.features.views[0].frozen_backbone,
        augmentation=augmentation if augmentation.spec.views and where is None else None,  # maps are augmented before
        batch=BATCH_SIZE,
    )


def _is_refused(time: NetworkTime | BaseException) -> bool:
    return isinstance(time, ConfigError)


def _estimate(plan: Plan, wanted: PlannedRecipe, time: NetworkTime | BaseException, workers: int) -> NetworkEstimate:
    if isinstance(time, BaseException):
        return NetworkEstimate(network=str(wanted), seconds=0.0, problem=failure_reason(time))
    return NetworkEstimate(network=str(wanted), seconds=_seconds(plan, wanted, time, workers), problem="")


def _seconds(plan: Plan, wanted: PlannedRecipe, time: NetworkTime, workers: int) -> float:
    """Return the seconds of a network, as if the imbalance strategy left all training images in.

    The trials of a fold are trained at once, then the networks of further seeds; then they score the test images.
    """
    protocol, images = plan.protocol, plan.catalogues.main.images.records
    trials, epochs = wanted.budget["trials"], wanted.budget["epochs"]
    train, validation, test = (sum(part) for part in expected_parts(images, protocol))
    validated = 2 * validation * (epochs + 1) + validation * len(plan.request.development)  # as many of training are followed
    of_training = train * epochs * time.per_trained + validated * time.per_scored
    rounds = -(-trials // workers) + -(-(protocol.seeds - 1) // workers)
    standard, further = divided(plan.request.shifts)
    tested = protocol.folds * test
    external = sum(len(one.images.records) for one in plan.catalogues.external.values())
    scored = tested * (1 + len(standard)) + min(tested, SAMPLE) * len(further) + protocol.folds * external
    maps = 0
    if wanted.learns_from != "all" and isinstance(wanted.features, RecipeFeatures):
        maps = -(-len(images) * len(wanted.features.views) // workers)
    seconds = protocol.folds * rounds * of_training + (protocol.seeds * scored + maps) * time.per_scored
    return time.setup + seconds
