"""Have the maps of all images at the cut of a network computed, once for all folds and trials."""

from __future__ import annotations

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


def extracted_maps(run: RunContext, features: RecipeFeatures, where: float | str | None) -> tuple[ShardedArray, ...]:
    """Return the maps of all views, those that are missing computed by the workers; nothing without a cut.

    Raises:
        NotFinite: a map has values that float16 cannot hold.
        Exception: as the calls of the backbone or the augmentation raise it.
    """
    if where is None:
        return ()
    views = [MapView(extraction=view, where=where) for view in features.views]
    run.extraction.resources.claim([view.maps.folder for view in views])
    progress, stage = run.callbacks.progress, f"maps of {features.views[0].backbone.component}"
    missing = [(view, shard) for view in views for shard in _missing_shards(view.maps, progress, stage)]
    progress.begin(stage, len(missing))
    calls = [submit_with_retry(partial(run.executor.submit, extract_maps, view, shard), BATCH) for view, shard in missing]
    try:
        for call in calls:
            call.result()
            progress.advance(stage)
    finally:
        for call in calls:
            call.cancel()
    return tuple(view.maps for view in views)


def _missing_shards(maps: ShardedArray, progress: Progress, stage: str) -> list[int]:
    if damaged := maps.damaged():
        progress.warn(f"{stage}: {len(damaged)} of {maps.shards} parts were damaged on disk and are computed again")
    return maps.missing()
