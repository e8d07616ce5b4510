"""Decode the images and have the missing features extracted, before any search and for searched backbones on demand."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cxrbench.benchmark.entries import NoResult
from cxrbench.benchmark.features import RecipeFeatures
from cxrbench.data.catalogue import decode_catalogue
from cxrbench.errors import CxrbenchError, DataError
from cxrbench.execution.progress import Progress
from cxrbench.leaderboard.store.skipped import write_skipped
from cxrbench.models.features.feature_source import CachedFeatures, LazyFeatures, discover_space
from cxrbench.models.features.schedule import extract_missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cxrbench.benchmark.plan import Plan, PlannedRecipe
    from cxrbench.benchmark.resources import Resources
    from cxrbench.data.dataset import Catalogue
    from cxrbench.leaderboard.store.folder import ProtocolFolder
    from cxrbench.models.features.extraction import Extraction
    from cxrbench.models.features.feature_source import FeatureSource
    from cxrbench.models.features.schedule import PendingExtractions


class FeaturesUnavailable(CxrbenchError):
    """The features of a recipe cannot be extracted."""

    def __init__(self, missing: NoResult) -> None:
        """Keep the reason and its kind."""
        super().__init__(missing.reason)
        self.missing = missing


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedExtraction:
    """The features that are being extracted.

    Attributes:
        pending: the shards that workers are extracting; all images are decoded.
        resources: where further ones are extracted.
    """

    pending: PendingExtractions
    resources: Resources

    def extract(self, extractions: Iterable[Extraction]) -> PendingExtractions:
        """Have features of decoded images extracted now, for one setting of a searched backbone."""
        wanted = list(extractions)
        self.resources.claim([one.features.folder for one in wanted])
        shards = range(wanted[0].pixels.array.shards)
        return extract_missing(wanted, shards, self.resources.executor, Progress())

    def wait(self, recipe: PlannedRecipe) -> tuple[FeatureSource, float]:
        """Return the features of a recipe as soon as they are extracted, and the worker time that this took in seconds.

        Raises:
            FeaturesUnavailable: its weights cannot be had.
            Exception: the error with which the extraction failed.
        """
        features = recipe.features
        if isinstance(features, NoResult):
            raise FeaturesUnavailable(features)
        if features.is_searched:
            return self._searched(features), 0.0
        outcomes = [self.pending.wait(view) for view in features.views]
        external = {name: (view.features, self.pending.wait(view)) for name, view in features.external.items()}
        for outcome in outcomes:
            if outcome.error:
                raise outcome.error
        source = CachedFeatures(
            extracted=features.folders,
            of_external={name: outcome.problem or array for name, (array, outcome) in external.items()},
        )
        return source, sum(outcome.seconds for outcome in outcomes)

    def _searched(self, features: RecipeFeatures) -> FeatureSource:
        lazy = LazyFeatures(base=features.views, of_external=features.external, space={}, extract=self.extract)
        return replace(lazy, space=self.resources.executor.submit(discover_space, features.views[0].frozen_backbone).result())


def start_extraction(plan: Plan, resources: Resources) -> StartedExtraction:
    """Decode all images; workers extract the features of the recipes without a result as soon as shards are decoded.

    Images and features are claimed until the run ends. Files that could not be read are listed beside the results.

    Raises:
        DataError: under ``--strict-data``, a file of an external test set could not be read.
    """
    wanted = [
        recipe.features
        for recipe in plan.unfinished
        if isinstance(recipe.features, RecipeFeatures) and not recipe.features.is_searched
    ]
    views = [view for features in wanted for view in features.views]
    external = {name: [features.external[name] for features in wanted] for name in plan.catalogues.external}
    everything = [*views, *(view for of_one in external.values() for view in of_one)]
    resources.claim([*(one.pixels.array.folder for one in plan.catalogues.all), *(one.features.folder for one in everything)])
    executor, progress = resources.executor, resources.callbacks.progress
    pending = extract_missing(views, decode_catalogue(plan.catalogues.main, progress), executor, progress)
    for name, catalogue in plan.catalogues.external.items():
        shards = decode_catalogue(catalogue, progress, f"images of {name}")
        pending |= extract_missing(external[name], shards, executor, progress, f"features of {name}")
    _list_skipped(plan, progress)
    return StartedExtraction(pending=pending, resources=resources)


def decode_and_list(folder: ProtocolFolder | None, catalogue: Catalogue, progress: Progress) -> None:
    """Decode the images of the dataset, and list the files that could not be read in a folder, if there is one."""
    deque(decode_catalogue(catalogue, progress), maxlen=0)
    if folder and (unread := _write_skipped(catalogue, folder, "")):
        progress.warn(unread)


def _list_skipped(plan: Plan, progress: Progress) -> None:
    for name, catalogue in {"": plan.catalogues.main, **plan.catalogues.external}.items():
        unread = _write_skipped(catalogue, plan.store, name)
        if unread and name and plan.request.settings.strict_data:
            raise DataError(f"--strict-data: {unread}")
        if unread:
            progress.warn(unread)


def _write_skipped(catalogue: Catalogue, store: ProtocolFolder, name: str) -> str:
    """List the files that could not be read, and return how many they are and where they are listed; empty if none."""
    skipped: Sequence[tuple[str, str]] = catalogue.skipped()
    write_skipped(store.skipped(name), skipped)
    source = f" of {name}" if name else ""
    unread = f"{len(skipped):,} of {len(catalogue.images.records):,} files{source} could not be read and were skipped"
    return f"{unread}. The reasons are in {store.skipped(name)}" if skipped else ""
