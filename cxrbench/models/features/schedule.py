"""Have the missing shards of all wanted features extracted, and keep account of what failed."""

from __future__ import annotations

import time
from collections import ChainMap
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from cxrbench.errors import DiskFull
from cxrbench.execution.failures import failure_kind, failure_log, failure_reason
from cxrbench.execution.retry import submit_with_retry
from cxrbench.models.features.extraction import BATCH, Extraction, extract_shard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping
    from concurrent.futures import Future

    from cxrbench.execution.executor import Executor
    from cxrbench.execution.progress import Progress
    from cxrbench.execution.retry import BatchResult
    from cxrbench.plugin.contracts import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """What became of one extraction.

    Attributes:
        seconds: of workers; 0 if it was on disk.
        error: what it failed with.
    """

    seconds: float = 0.0
    error: Exception | None = None

    @property
    def problem(self) -> str:
        """Why it failed; empty if it did not."""
        return failure_reason(self.error) if self.error else ""

    @property
    def failure(self) -> Failure | None:
        """What sort of failure that was."""
        return failure_kind(self.error) if self.error else None

    @property
    def log(self) -> tuple[str, ...]:
        """The last lines of what was printed on the way."""
        return failure_log(self.error) if self.error else ()


@dataclass(frozen=True, slots=True)
class PendingExtractions:
    """Extractions that workers have been asked for, the shards of each, and what went wrong so far.

    The first shard that fails costs what cannot succeed any more: a clean view all views of its backbone, an augmented one all
    views of that backbone with that augmentation. What remains of them is not computed.
    """

    calls: Mapping[Extraction, list[Future[BatchResult[float]]]]
    failed: MutableMapping[Extraction, Exception] = field(default_factory=dict)

    def __or__(self, other: PendingExtractions) -> PendingExtractions:
        return PendingExtractions({**self.calls, **other.calls}, ChainMap(self.failed, other.failed))

    def wait(self, extraction: Extraction) -> Extracted:
        """Return what became of one, when all its shards are over; raise DiskFull, which is no backbone's failure."""
        seconds, failure = 0.0, None
        for call in self.calls.get(extraction, ()):
            try:
                seconds += call.result().value
            except CancelledError:
                continue
            except Exception as error:
                failure = failure or error
        failure = failure or self.failure_of(extraction)
        if isinstance(failure, DiskFull):
            raise failure
        return Extracted(seconds=seconds, error=failure)

    def failure_of(self, extraction: Extraction) -> Exception | None:
        """Return why an extraction cannot succeed any more, if that is known."""
        drawn = replace(extraction, view=0)
        return self.failed.get(replace(drawn, augmentation=None)) or self.failed.get(drawn)

    def on_shard_done(self, extraction: Extraction, call: Future[BatchResult[float]]) -> None:
        """Cancel what a shard that failed leaves without hope."""
        error = None if call.cancelled() else call.exception()
        if not isinstance(error, Exception):
            return
        self.failed.setdefault(replace(extraction, view=0), error)
        for other, calls in self.calls.items():
            if self.failure_of(other):
                for waiting in list(calls):
                    waiting.cancel()


def extract_missing(
    extractions: Iterable[Extraction],
    decoded: Iterable[int],
    executor: Executor,
    progress: Progress,
    stage: str = "features",
) -> PendingExtractions:
    """Ask for every shard that is not on disk: for the first backbone's as soon as `decoded` yields them, then for the others'.

    One backbone after the other, because a worker builds and compiles each that it meets. `stage` is what the progress is
    told as.
    """
    missing = {extraction: _missing(extraction, progress, stage) for extraction in extractions}
    underway = PendingExtractions({extraction: [] for extraction in missing})
    progress.begin(stage, sum(map(len, missing.values())))

    def ask(extraction: Extraction, shard: int) -> None:
        if shard not in missing[extraction]:
            return
        if underway.failure_of(extraction):
            progress.advance(stage)
            return
        call = submit_with_retry(lambda batch: executor.submit(_timed, extraction, shard, batch), BATCH)
        underway.calls[extraction].append(call)
        call.add_done_callback(lambda _: progress.advance(stage))
        call.add_done_callback(partial(underway.on_shard_done, extraction))

    first = next((extraction.backbone for extraction in missing), None)
    at_once = [extraction for extraction in missing if extraction.backbone == first]
    ready = []
    for shard in decoded:
        ready.append(shard)
        for extraction in at_once:
            ask(extraction, shard)
    for extraction in sorted(missing.keys() - set(at_once), key=lambda one: str(one.backbone.component)):
        for shard in ready:
            ask(extraction, shard)
    return underway


def _missing(extraction: Extraction, progress: Progress, stage: str) -> set[int]:
    features = extraction.features
    if damaged := features.damaged():
        progress.warn(
            f"{stage}, {extraction.backbone.component}: {len(damaged)} of {features.shards} parts were damaged on disk and "
            "are extracted again"
        )
    return set(features.missing())


def _timed(extraction: Extraction, shard: int, batch: int) -> float:
    """Extract a shard unless another process did in the meantime; return the seconds that it took."""
    with extraction.features.writing(shard) as is_missing:
        start = time.perf_counter()
        if is_missing:
            extract_shard(extraction, shard, batch)
        return time.perf_counter() - start
