"""Submit the missing shards of features to workers and keep track of failures."""

from __future__ import annotations

import time
from collections import ChainMap
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from cxrbench.data.batches import BATCH
from cxrbench.errors import DiskFull, WorkersUnavailable
from cxrbench.execution.failures import failure_reason
from cxrbench.execution.retry import submit_with_retry
from cxrbench.models.features.extraction import Extraction, extract_shard
from cxrbench.models.features.placement import placement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping
    from concurrent.futures import Future

    from cxrbench.execution.executor import Executor
    from cxrbench.execution.progress import Progress
    from cxrbench.execution.retry import BatchResult
    from cxrbench.storage.sharded_array import ShardedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """The result of one extraction.

    Attributes:
        seconds: worker time; 0 if all shards were cached.
        error: the exception, or None on success.
    """

    seconds: float = 0.0
    error: Exception | None = None

    @property
    def problem(self) -> str:
        """Failure reason, or an empty string."""
        return failure_reason(self.error) if self.error else ""


@dataclass(frozen=True, slots=True)
class PendingExtractions:
    """Extractions submitted to workers: the calls of their shards and the failures so far.

    When a shard fails, dependent extractions fail too and their remaining shards are cancelled: for a clean view all views of
    the backbone, and for an augmented view all views of the backbone with that augmentation.
    """

    calls: Mapping[Extraction, list[Future[BatchResult[float]]]]
    failed: MutableMapping[Extraction, Exception] = field(default_factory=dict)

    def __or__(self, other: PendingExtractions) -> PendingExtractions:
        return PendingExtractions({**self.calls, **other.calls}, ChainMap(self.failed, other.failed))

    def wait(self, extraction: Extraction) -> Extracted:
        """Wait for all shards of an extraction and return the result; raise what is not the backbone's fault."""
        seconds, failure = 0.0, None
        for call in self.calls.get(extraction, ()):
            try:
                seconds += call.result().value
            except CancelledError:
                continue
            except Exception as error:
                failure = failure or error
        failure = failure or self.failure_of(extraction)
        if isinstance(failure, DiskFull | WorkersUnavailable):
            raise failure
        return Extracted(seconds=seconds, error=failure)

    def failure_of(self, extraction: Extraction) -> Exception | None:
        """Return the error that makes an extraction fail, or None so far."""
        any_view = replace(extraction, view=0)
        return self.failed.get(replace(any_view, augmentation=None)) or self.failed.get(any_view)

    def on_shard_done(self, extraction: Extraction, call: Future[BatchResult[float]]) -> None:
        """Record the failure of a shard and cancel the remaining shards that depend on it."""
        error = None if call.cancelled() else call.exception()
        if not isinstance(error, Exception):
            return
        self.failed.setdefault(replace(extraction, view=0), error)
        for other, calls in self.calls.items():
            if self.failure_of(other):
                for queued in list(calls):
                    queued.cancel()


def extract_missing(
    extractions: Iterable[Extraction],
    decoded: Iterable[int],
    executor: Executor,
    progress: Progress,
    stage: str = "features",
) -> PendingExtractions:
    """Submit every shard that is missing on disk and return the pending extractions.

    Shards of the first backbone are submitted as soon as `decoded` yields their number. The other backbones follow one by one,
    because each worker builds and compiles every backbone that it gets. `stage` names the progress stage.

    Raises:
        ConfigError: as of `Executor.for_networks`.
    """
    missing = {extraction: _missing_shards(extraction, progress, stage) for extraction in extractions}
    pending = PendingExtractions({extraction: [] for extraction in missing})
    progress.begin(stage, sum(map(len, missing.values())))
    place = placement((extraction for extraction, shards in missing.items() if shards), executor)

    def submit(extraction: Extraction, shard: int) -> None:
        if shard not in missing[extraction]:
            return
        if pending.failure_of(extraction):
            progress.advance(stage)
            return
        at, features = place(extraction), extraction.features
        call = submit_with_retry(lambda batch: at.submit(_extract_timed, extraction, features, shard, batch), BATCH)
        pending.calls[extraction].append(call)
        call.add_done_callback(lambda _: progress.advance(stage))
        call.add_done_callback(partial(pending.on_shard_done, extraction))

    first = next((extraction.backbone for extraction in missing), None)
    of_first = [extraction for extraction in missing if extraction.backbone == first]
    decoded_shards = []
    for shard in decoded:
        decoded_shards.append(shard)
        for extraction in of_first:
            submit(extraction, shard)
    for extraction in sorted(missing.keys() - set(of_first), key=lambda extraction: str(extraction.backbone.component)):
        for shard in decoded_shards:
            submit(extraction, shard)
    return pending


def _missing_shards(extraction: Extraction, progress: Progress, stage: str) -> set[int]:
    features = extraction.features
    if damaged := features.damaged():
        progress.warn(
            f"{stage}, {extraction.backbone.component}: {len(damaged)} of {features.shards} parts were damaged on disk and "
            "are extracted again"
        )
    return set(features.missing())


def _extract_timed(extraction: Extraction, features: ShardedArray, shard: int, batch: int) -> float:
    """Extract a shard unless another process has done so; return the seconds that it took.

    Where the features are was resolved in the parent: it depends on versions and settings of the process.
    """
    with features.writing(shard) as is_missing:
        start = time.perf_counter()
        if is_missing:
            extract_shard(extraction, features, shard, batch)
        return time.perf_counter() - start
