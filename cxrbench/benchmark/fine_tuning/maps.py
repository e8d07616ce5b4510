"""Have the maps of all images at the cut of a network computed, once for all folds and trials."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cxrbench.data.batches import BATCH
from cxrbench.execution.retry import submit_with_retry
from cxrbench.models.fine_tuning.maps import MapView, extract_maps

if TYPE_CHECKING:
    from cxrbench.benchmark.context import RunContext
    from cxrbench.benchmark.features import RecipeFeatures
    from cxrbench.execution.progress import Progress
    from cxrbench.storage.sharded_array import ShardedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractedMaps:
    """The maps of all views at a cut.

    Attributes:
        arrays: of the clean view and then of the augmented ones; empty without a cut.
        seconds: worker time; 0 if all were cached.
    """

    arrays: tuple[ShardedArray, ...] = ()
    seconds: float = 0.0


def extracted_maps(run: RunContext, features: RecipeFeatures, where: float | str | None) -> ExtractedMaps:
    """Return the maps of all views, those that are missing computed by the workers; nothing without a cut.

    Raises:
        NotFinite: a map has values that float16 cannot hold.
        Exception: as the calls of the backbone or the augmentation raise it.
    """
    if where is None:
        return ExtractedMaps()
    views = [MapView(extraction=view, where=where) for view in features.views]
    arrays = tuple(view.maps for view in views)
    run.extraction.resources.claim([maps.folder for maps in arrays])
    progress, stage = run.callbacks.progress, f"maps of {features.views[0].backbone.component}"
    missing = [
        partial(run.executor.submit, extract_maps, view, maps, shard)
        for view, maps in zip(views, arrays, strict=True)
        for shard in _missing_shards(maps, progress, stage)
    ]
    progress.begin(stage, len(missing))
    calls, seconds = [submit_with_retry(extract, BATCH) for extract in missing], 0.0
    try:
        for call in calls:
            seconds += call.result().value
            progress.advance(stage)
    finally:
        for call in calls:
            call.cancel()
    return ExtractedMaps(arrays=arrays, seconds=seconds)


def _missing_shards(maps: ShardedArray, progress: Progress, stage: str) -> list[int]:
    if damaged := maps.damaged():
        progress.warn(f"{stage}: {len(damaged)} of {maps.shards} parts were damaged on disk and are computed again")
    return maps.missing()
