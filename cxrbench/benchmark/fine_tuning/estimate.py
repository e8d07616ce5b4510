"""Estimate the time of training whole networks, from samples of it that all workers compute at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from cxrbench.benchmark.features import RecipeFeatures
from cxrbench.benchmark.fine_tuning.planned import UPPER_HALF, place_of
from cxrbench.benchmark.fine_tuning.studies import BATCH_SIZE
from cxrbench.benchmark.wanted_shifts import divided
from cxrbench.config.recipe import name_in_table
from cxrbench.data.sample import SAMPLE
from cxrbench.data.split import expected_parts
from cxrbench.models.fine_tuning.origins import RandomWeights, SelectedHeads
from cxrbench.models.fine_tuning.timing import NetworkSample, NetworkTime, time_network

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cxrbench.benchmark.plan import Plan, PlannedRecipe
    from cxrbench.execution.executor import Executor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A network that may be trained: what it starts from, where it is cut, and for how many epochs and trials."""

    recipe: PlannedRecipe
    features: RecipeFeatures
    origin: SelectedHeads | RandomWeights
    where: float | str | None = None
    epochs: int
    trials: int


def estimate_networks(plan: Plan, executor: Executor) -> float:
    """Return the seconds of training all networks that a run trains after the heads, if no training ends early.

    Which recipes are the best is not known yet: of their backbones, those whose training takes longest stand for them.
    """
    settings, networks = plan.request.settings, executor.for_networks()
    named = [name_in_table(text) for text in settings.fine_tune if not text.isdecimal()]
    certain = [*_from_scratch(plan), *_fine_tuned(plan, (one for one in plan.recipes if str(one) in named))]
    seconds = [_seconds(plan, one, networks) for one in certain]
    if counts := [int(text) for text in settings.fine_tune if text.isdecimal()]:
        of_each = sorted((_seconds(plan, one, networks) for one in _fine_tuned(plan, _of_each_backbone(plan))), reverse=True)
        seconds += of_each[: max(counts)]
    return sum(seconds)


def _from_scratch(plan: Plan) -> Iterator[_Wanted]:
    for recipe in plan.from_scratch:
        if isinstance(recipe.features, RecipeFeatures) and (plan.request.settings.fresh or not plan.is_finished(recipe)):
            yield _Wanted(recipe=recipe, features=recipe.features, origin=RandomWeights(), **recipe.budget)


def _fine_tuned(plan: Plan, recipes: Iterable[PlannedRecipe]) -> Iterator[_Wanted]:
    settings = plan.request.settings
    for one in recipes:
        if isinstance(one.features, RecipeFeatures) and not one.features.is_searched:
            yield _Wanted(
                recipe=one,
                features=one.features,
                origin=SelectedHeads(heads=()),
                where=place_of(settings.fine_tune_from),
                epochs=settings.fine_tune_epochs,
                trials=settings.fine_tune_trials,
            )


def _of_each_backbone(plan: Plan) -> list[PlannedRecipe]:
    """Return a recipe of each backbone, augmented if there is one: it takes longest."""
    recipes = [one for one in plan.recipes if not one.recipe.backbone.spec.control]
    recipes.sort(key=lambda one: one.recipe.augmentation.spec.views)
    return list({one.recipe.backbone: one for one in recipes}.values())


def _seconds(plan: Plan, wanted: _Wanted, networks: Executor) -> float:
    """Return the seconds of all trials of a network, and of scoring with it; none if it cannot be trained."""
    time = _time(wanted, networks)
    if time is None:
        return 0.0
    protocol, images = plan.protocol, plan.catalogues.main.images.records
    train, validation, test = (sum(part) for part in expected_parts(images, protocol))
    of_epoch = train * time.per_trained + 2 * validation * time.per_scored  # as many training images are followed
    trainings = protocol.folds * (wanted.trials + protocol.seeds - 1)
    standard, further = divided(plan.request.shifts)
    external = sum(len(one.images.records) for one in plan.catalogues.external.values())
    scored = test * (1 + len(standard)) + min(test, SAMPLE) * len(further) + external
    scored += validation * len(plan.request.development) * wanted.trials
    seconds = trainings * wanted.epochs * of_epoch + protocol.folds * protocol.seeds * scored * time.per_scored
    if wanted.where is not None:
        seconds += len(images) * len(wanted.features.views) * time.per_scored  # the maps at the cut
    return time.setup + seconds / min(networks.workers, trainings)


def _time(wanted: _Wanted, networks: Executor) -> NetworkTime | None:
    for sample in _samples(wanted):
        calls = [networks.submit(time_network, sample) for _ in range(networks.workers)]
        if not any(call.exception() for call in calls):
            times = [call.result() for call in calls]
            return NetworkTime(
                setup=max(one.setup for one in times),
                per_trained=fmean(one.per_trained for one in times),
                per_scored=fmean(one.per_scored for one in times),
            )
    return None


def _samples(wanted: _Wanted) -> Iterator[NetworkSample]:
    """Yield a sample of its training, and one of all of the network, which learns where ``auto`` finds no place to cut."""
    augmentation = wanted.recipe.recipe.augmentation
    whole = NetworkSample(
        origin=wanted.origin,
        backbone=wanted.features.views[0].frozen_backbone,
        augmentation=augmentation if augmentation.spec.views else None,
        batch=BATCH_SIZE,
    )
    if wanted.where is not None:
        yield replace(whole, origin=SelectedHeads(heads=(), where=wanted.where), augmentation=None)
    if wanted.where in {None, UPPER_HALF}:
        yield whole
