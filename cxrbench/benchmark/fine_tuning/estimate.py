"""Estimate the time of the networks that a run has yet to train, from samples of their training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from cxrbench.benchmark.entries import NoResult
from cxrbench.benchmark.fine_tuning.candidates import Candidate
from cxrbench.benchmark.fine_tuning.planned import place_of, planned_fine_tuning
from cxrbench.benchmark.fine_tuning.studies import BATCH_SIZE
from cxrbench.benchmark.studies import count_recorded
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

    Times = Mapping[NetworkSample, NetworkTime | BaseException]

LOCKED = "has a result with other settings, and its test images are locked. Use those settings, or --fresh"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkEstimate:
    """What is known of a network before it is trained.

    Attributes:
        network: the name of the row.
        seconds: of the trials that are left and of scoring, if no trial stops early.
        problem: why it cannot be trained or timed; an empty string otherwise.
    """

    network: str
    seconds: float = 0.0
    problem: str = ""


def estimate_networks(plan: Plan, executor: Executor) -> tuple[NetworkEstimate, ...]:
    """Return the networks that are left to train.

    Which recipes are the best is known when all heads are trained. Until then the networks that take longest stand for them.
    """
    wanted = plan.request.settings.fine_tune
    count = max((int(text) for text in wanted if text.isdecimal()), default=0)
    certain, best = [*plan.from_scratch, *_named(plan)], _best_of_each_backbone(plan) if count else []
    found = _estimates(plan, [*certain, *best], executor)
    of_best = [found[str(one)] for one in best]
    if plan.unfinished:
        of_best.sort(key=lambda one: -one.seconds)
    of_best.sort(key=lambda one: bool(one.problem))  # what cannot be trained is passed over
    chosen = [*(found[str(one)] for one in certain), *of_best[:count]]
    return tuple(dict.fromkeys(one for one in chosen if one.seconds or one.problem))


def _named(plan: Plan) -> Iterator[PlannedRecipe]:
    names = [name_in_table(text) for text in plan.request.settings.fine_tune]
    return (_fine_tuned(plan, recipe) for recipe in plan.recipes if str(recipe) in names)


def _best_of_each_backbone(plan: Plan) -> list[PlannedRecipe]:
    """Return the best recipe of each backbone that may be fine-tuned, or while that is not known the one with most views."""
    recipes = [
        one for one in plan.recipes if not (one.recipe.backbone.spec.control or one.recipe.imbalance.spec.needs_features)
    ]

    def rank(one: PlannedRecipe) -> float:
        entry = None if plan.unfinished else plan.store.complete_entry(one.stem)
        return -(entry.validation(plan.protocol.metric) or 0.0) if entry else -len(one.arrays)

    first: dict[str, PlannedRecipe] = {}
    for one in sorted(recipes, key=rank):
        first.setdefault(str(one.recipe.backbone), one)
    return [_fine_tuned(plan, one) for one in first.values()]


def _fine_tuned(plan: Plan, recipe: PlannedRecipe) -> PlannedRecipe:
    """Return a recipe at the stage ``fine-tuned``; its studies are known if its heads are trained."""
    settings, entry = plan.request.settings, plan.store.complete_entry(recipe.stem)
    if entry is None or settings.fresh:
        budget = {"trials": settings.fine_tune_trials, "epochs": settings.fine_tune_epochs}
        return replace(recipe, stage="fine-tuned", budget=budget, learns_from=settings.fine_tune_from, studies=(), identity="")
    places = dict.fromkeys((settings.fine_tune_from, "all"))  # all of it where `auto` found no place to cut
    planned = [planned_fine_tuning(Candidate(recipe=recipe, entry=entry, learns_from=one), settings) for one in places]
    return next((one for one in planned if plan.is_finished(one)), planned[0])


def _estimates(plan: Plan, networks: Sequence[PlannedRecipe], executor: Executor) -> dict[str, NetworkEstimate]:
    problems = {str(one): _problem(plan, one) for one in networks}
    fresh = plan.request.settings.fresh
    left = [one for one in networks if not problems[str(one)] and (fresh or not plan.is_finished(one))]
    place = executor.for_networks() if left else executor
    times = _times({_sample(one) for one in left}, place)
    again = [one for one in left if one.learns_from == "auto" and isinstance(times[_sample(one)], ConfigError)]
    whole = {str(one): replace(one, learns_from="all") for one in again}  # as the run does where there is no place to cut
    times |= _times({_sample(one) for one in whole.values()} - times.keys(), place)
    found = {str(one): _estimate(plan, whole.get(str(one), one), times, place.workers) for one in left}
    return {name: found.get(name, NetworkEstimate(network=name, problem=problem)) for name, problem in problems.items()}


def _problem(plan: Plan, network: PlannedRecipe) -> str:
    """Return why the run will not train a network, as far as that is known before."""
    if isinstance(network.features, NoResult):
        return network.features.reason
    if network.features.is_searched:
        return "the search sets parameters of its backbone"
    entry = None if plan.request.settings.fresh else plan.store.complete_entry(network.stem)
    return LOCKED if entry and entry.study not in {"", network.identity} else ""


def _sample(network: PlannedRecipe) -> NetworkSample:
    assert not isinstance(network.features, NoResult)
    augmentation, where = network.recipe.augmentation, place_of(network.learns_from)
    return NetworkSample(
        origin=RandomWeights() if network.stage == "from-scratch" else SelectedHeads(heads=(), where=where),
        backbone=network.features.views[0].frozen_backbone,
        augmentation=augmentation if augmentation.spec.views and where is None else None,  # maps are augmented before
        batch=BATCH_SIZE,
    )


def _times(samples: Iterable[NetworkSample], place: Executor) -> dict[NetworkSample, NetworkTime | BaseException]:
    """Return the time of each sample, or its error. All workers are busy, as in the run."""
    ordered = sorted(samples, key=str)
    copies = range(max(1, place.workers // max(1, len(ordered))))
    calls = {sample: [place.submit(time_network, sample) for _ in copies] for sample in ordered}
    errors = {sample: [error for call in some if (error := call.exception())] for sample, some in calls.items()}
    return {one: errors[one][0] if errors[one] else _mean(call.result() for call in some) for one, some in calls.items()}


def _mean(times: Iterable[NetworkTime]) -> NetworkTime:
    columns = zip(*((one.setup, one.per_trained, one.per_scored) for one in times), strict=True)
    setup, per_trained, per_scored = (fmean(column) for column in columns)
    return NetworkTime(setup=setup, per_trained=per_trained, per_scored=per_scored)


def _estimate(plan: Plan, network: PlannedRecipe, times: Times, workers: int) -> NetworkEstimate:
    match times[_sample(network)]:
        case NetworkTime() as time:
            return NetworkEstimate(network=str(network), seconds=_seconds(plan, network, time, workers))
        case ConfigError() as error:
            return NetworkEstimate(network=str(network), problem=str(error))
        case error:
            return NetworkEstimate(network=str(network), problem=failure_reason(error))


def _seconds(plan: Plan, network: PlannedRecipe, time: NetworkTime, workers: int) -> float:
    """Return the seconds of a network, as if the imbalance strategy kept the number of training images.

    The trials of a generation are trained at once, then the networks of further seeds; then they score the test images.
    """
    protocol, images = plan.protocol, plan.catalogues.main.images.records
    trials, epochs = network.budget["trials"], network.budget["epochs"]
    train, validation, test = (sum(part) for part in expected_parts(images, protocol))
    validated = 2 * validation * (epochs + 1) + validation * len(plan.request.development)  # as many of training are followed
    of_training = train * epochs * time.per_trained + validated * time.per_scored
    generations, rest = divmod(trials, protocol.generation)
    rounds = generations * -(-protocol.generation // workers) + -(-rest // workers)
    left = 1 - count_recorded(plan.store, network) / (trials * protocol.folds)
    trainings = protocol.folds * (max(0.0, left) * rounds + -(-(protocol.seeds - 1) // workers))
    if plan.store.result(network.stem, network.identity):
        trainings = 0.0  # it is only scored on something new
    standard, further = divided(plan.request.shifts)
    tested = protocol.folds * test
    external = sum(len(one.images.records) for one in plan.catalogues.external.values())
    scored = protocol.seeds * (tested * (1 + len(standard)) + min(tested, SAMPLE) * len(further) + protocol.folds * external)
    mapped = 0.0 if network.learns_from == "all" else len(images) * len(network.arrays) / workers  # at the cut
    return time.setup + trainings * of_training + (scored + mapped) * time.per_scored
