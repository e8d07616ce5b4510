"""Estimate what a planned run will cost: trials, time and disk. Samples of its work are timed; nothing of it is run."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cxrbench.benchmark.entries import NoResult
from cxrbench.benchmark.features import RecipeFeatures
from cxrbench.benchmark.fine_tuning.estimate import estimate_networks
from cxrbench.benchmark.plan import make_plan
from cxrbench.benchmark.request import read_request
from cxrbench.benchmark.resources import open_studies_database
from cxrbench.benchmark.samples import take_samples
from cxrbench.benchmark.studies import count_recorded
from cxrbench.benchmark.wanted_shifts import divided
from cxrbench.benchmark.workers import open_workers
from cxrbench.data.sample import SAMPLE
from cxrbench.data.shifted import Shifting
from cxrbench.data.split import expected_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cxrbench.benchmark.fine_tuning.estimate import NetworkEstimate
    from cxrbench.benchmark.plan import Plan, PlannedRecipe
    from cxrbench.benchmark.samples import Samples
    from cxrbench.config.settings import Settings
    from cxrbench.data.shifted import Shifted
    from cxrbench.execution.executor import Executor
    from cxrbench.execution.progress import Progress
    from cxrbench.models.features.extraction import Extraction
    from cxrbench.plugin.host import Host
    from cxrbench.storage.sharded_array import ShardedArray

SECONDS_PER_TRIAL = 0.013
"""In the main process: to propose, score and record a trial."""
SECONDS_PER_ENTRY = 0.2
"""In the main process: to write an entry and to rank it."""
BYTES_PER_ENTRY = 8_000
BYTES_PER_PREDICTION = 9
BYTES_PER_TRIAL = 1_400
"""In its study's record and in the entry."""
BYTES_PER_FEATURE = 4
BYTES_PER_HEAD_AND_FEATURE = 512 * 4
"""The first layer of a head has 512 units; its other weights hardly count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeEstimate:
    """What is left to do for a recipe.

    Attributes:
        trials: that will be run, in all folds.
        features: `cached`, `to extract`, `searched` where they depend on the search, or why there are none.
    """

    recipe: str
    trials: int
    features: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run will cost. Features that the search chooses, and recipes without features, are not part of it.

    Attributes:
        seconds: of the whole run.
        cache_bytes: of decoded images and features that are not in the cache yet.
        result_bytes: of entries, predictions, models and studies.
        undecoded: images to decode.
        recipes: of the grid, in its order.
        networks: that are trained after the heads; their time is part of `seconds`, their files are not part of the bytes.
    """

    seconds: float
    cache_bytes: int
    result_bytes: int
    undecoded: int
    recipes: tuple[RecipeEstimate, ...]
    networks: tuple[NetworkEstimate, ...]


def estimate_run(settings: Settings, host: Host, progress: Progress) -> tuple[Plan, Estimate]:
    """Plan a run and estimate what it will cost, without running, downloading or writing any of it.

    Only a new database of studies gets its tables, because Optuna makes them when it opens one.

    Raises:
        ConfigError: an invalid setting.
        Unavailable: the dataset is not on this machine.
    """
    request = read_request(settings, host, progress)
    request = replace(request, downloader=replace(request.downloader, offline=True, forbidden_by="--plan"))
    with open_studies_database(settings, progress.warn) as database, open_workers(request, progress) as executor:
        start = time.perf_counter()
        plan = make_plan(request, database)
        return plan, estimate(plan, executor, time.perf_counter() - start)


def estimate(plan: Plan, executor: Executor, planning: float) -> Estimate:
    """Return what the run of a plan will cost.

    Args:
        plan: of the run.
        executor: times the samples, as many at once as it has workers, as in the run.
        planning: seconds since the workers were started, in which the plan was made, as the run will make it again.
    """
    starting = time.perf_counter()
    executor.submit(str).result()
    startup = planning + time.perf_counter() - starting
    undecoded = [(catalogue, _missing_rows(catalogue.pixels.array)) for catalogue in plan.catalogues.all]
    decoding = sum(rows * catalogue.time_decoding() for catalogue, rows in undecoded if rows)
    images = sum(rows for _, rows in undecoded)
    views = _missing_views(plan)
    shiftings = _shiftings(plan)
    samples = take_samples(plan, views, shiftings, executor)
    recipes = tuple(_recipe_estimate(plan, recipe, views, samples) for recipe in plan.recipes)
    trials = {recipe.recipe: recipe.trials for recipe in recipes}
    features = sum(views[view] * one.width for view, one in samples.views.items())
    networks = estimate_networks(plan, executor)
    copied = sum(images for _, images in _shifted_images(plan)) if shiftings else 0
    return Estimate(
        seconds=max(startup, planning + decoding)
        + _extracting(views, shiftings, samples)
        + _searching(plan, trials, samples)
        + sum(network.seconds for network in networks),
        cache_bytes=(images + copied + sum(shiftings.values())) * plan.protocol.image_size**2 + features * BYTES_PER_FEATURE,
        result_bytes=_result_bytes(plan, trials) + _model_bytes(plan, samples),
        undecoded=images,
        recipes=recipes,
        networks=networks,
    )


def _missing_views(plan: Plan) -> dict[Extraction, int]:
    """Return the images to extract for each view that an unfinished recipe needs and that is not complete in the cache."""
    needed = [recipe.features for recipe in plan.unfinished if isinstance(recipe.features, RecipeFeatures)]
    views = (view for one in needed if not one.is_searched for view in (*one.views, *one.external.values()))
    missing = {view: rows for view in views if (rows := _missing_rows(view.features))}
    return missing | _shifted_views(plan, needed)


def _shifted_views(plan: Plan, needed: Iterable[RecipeFeatures]) -> dict[Extraction, int]:
    """Return the images of each view of shifted images."""
    clean = dict.fromkeys(one.views[0] for one in needed if not one.is_searched)
    shiftings = _shiftings(plan)
    return {replace(view, pixels=one.pixels): images for view in clean for one, images in shiftings.items()}


def _shiftings(plan: Plan) -> dict[Shifting, int]:
    """Return how many images of all folds are changed by each shift. Which ones is known only when all are decoded."""
    counts: Counter[Shifting] = Counter()
    if plan.may_score:
        original = plan.catalogues.main.pixels
        for shifts, images in _shifted_images(plan):
            counts.update({Shifting(original=original, shift=shift, seed=plan.protocol.seed): images for shift in shifts})
    return dict(counts)


def _shifted_images(plan: Plan) -> list[tuple[tuple[Shifted, ...], int]]:
    """Return shifts, and how many images of all folds are shifted so: test images, a sample of them, validation images."""
    protocol, records = plan.protocol, plan.catalogues.main.images.records
    _, validation, test = (sum(part) for part in expected_parts(records, protocol))
    of_any_fold = len(records) * (1 - (1 - validation / len(records)) ** protocol.folds)  # each fold draws its own
    tested = test * protocol.folds
    standard, further = divided(plan.request.shifts)
    wanted = [(standard, tested), (further, min(tested, SAMPLE)), (plan.request.development, round(of_any_fold))]
    return [(shifts, images) for shifts, images in wanted if shifts]


def _missing_rows(array: ShardedArray) -> int:
    return sum(stop - start for start, stop in map(array.bounds, array.missing()))


def _recipe_estimate(plan: Plan, recipe: PlannedRecipe, views: Mapping[Extraction, int], samples: Samples) -> RecipeEstimate:
    features = recipe.features
    if isinstance(features, NoResult):
        return RecipeEstimate(recipe=str(recipe), trials=0, features=features.reason)
    if reason := samples.failures.get(str(recipe)):
        return RecipeEstimate(recipe=str(recipe), trials=0, features=reason)
    missing = any(view in views for view in (*features.views, *features.external.values()))
    state = "searched" if features.is_searched else "to extract" if missing else "cached"
    recorded = 0 if plan.request.settings.fresh else count_recorded(plan.store, recipe)
    total = plan.protocol.trials * plan.protocol.folds
    left = max(0, total - recorded) if recipe in plan.unfinished else 0
    return RecipeEstimate(recipe=str(recipe), trials=left, features=state)


def _extracting(views: Mapping[Extraction, int], shiftings: Mapping[Shifting, int], samples: Samples) -> float:
    """Return the seconds of shifts and extraction: the processes share the images, and each of them builds every backbone."""
    setup = {view.backbone: one.setup for view, one in samples.views.items() if not view.augmentation}
    shifting = sum(shiftings[one] * per_image for one, per_image in samples.shiftings.items())
    seconds = {view: views[view] * one.per_image for view, one in samples.views.items()}
    on_gpus = sum(seconds[view] for view in samples.on_gpus & seconds.keys())
    on_cpus = shifting + sum(seconds.values()) - on_gpus
    return sum(setup.values()) + on_cpus / samples.workers["cpu"] + (on_gpus / samples.workers["gpu"] if on_gpus else 0.0)


def _searching(plan: Plan, trials: Mapping[str, int], samples: Samples) -> float:
    """Return the seconds of all studies, of training the selected heads, and of ranking; all processes share the cores."""
    heads = plan.protocol.folds * plan.protocol.seeds
    seconds = sum((trials[recipe] + heads) * of_trial for recipe, of_trial in samples.trials.items())
    seconds += sum(trials.values()) * SECONDS_PER_TRIAL
    return seconds / samples.workers["cpu"] + len(plan.recipes) * SECONDS_PER_ENTRY


def _model_bytes(plan: Plan, samples: Samples) -> int:
    heads = plan.protocol.folds * plan.protocol.seeds if plan.request.settings.models else 0
    return heads * sum(samples.widths.values()) * BYTES_PER_HEAD_AND_FEATURE


def _result_bytes(plan: Plan, trials: Mapping[str, int]) -> int:
    protocol = plan.protocol
    _, validation, test = expected_parts(plan.catalogues.main.images.records, protocol)
    standard, further = divided(plan.request.shifts)
    tested = sum(test) * protocol.folds
    validated = sum(validation) * protocol.folds * (1 + len(plan.request.development))
    predictions = validated + tested * (1 + len(standard)) + min(tested, SAMPLE) * len(further)
    entries = len(plan.unfinished) * (BYTES_PER_ENTRY + predictions * protocol.seeds * BYTES_PER_PREDICTION)
    return entries + sum(trials.values()) * BYTES_PER_TRIAL
