"""Have the missing shards of all wanted features extracted, and keep account of what failed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.failures import reason_of
from cxrbench.features.extraction import Extraction, extract_shard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from concurrent.futures import Future

    from cxrbench.execution import Executor
    from cxrbench.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """What became of one extraction: the worker seconds it took (0 if it was on disk), or why it failed."""

    seconds: float = 0.0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Underway:
    """Extractions that workers have been asked for, and the shards of each."""

    calls: Mapping[Extraction, Iterable[Future[float]]]

    def __or__(self, other: Underway) -> Underway:
        return Underway({**self.calls, **other.calls})

    def wait(self, extraction: Extraction) -> Extracted:
        """Return what became of one, when all its shards are over; a failed shard costs its own extraction only."""
        seconds, problem = 0.0, ""
        for call in self.calls.get(extraction, ()):
            try:
                seconds += call.result()
            except Exception as error:
                problem = problem or reason_of(error)
        return Extracted(seconds=seconds, problem=problem)


def extract_missing(
    extractions: Iterable[Extraction],
    decoded: Iterable[int],
    executor: Executor,
    progress: Progress,
    stage: str = "features",
) -> Underway:
    """Ask for every shard that is not on disk: for the first backbone's as soon as `decoded` yields them, then for the others'.

    One backbone after the other, because a worker builds and compiles each that it meets. `stage` is what the progress is
    told as.
    """
    missing = {extraction: set(extraction.features.missing()) for extraction in extractions}
    calls: dict[Extraction, list[Future[float]]] = {extraction: [] for extraction in missing}
    progress.begin(stage, sum(map(len, missing.values())))

    def ask(extraction: Extraction, shard: int) -> None:
        if shard in missing[extraction]:
            call = executor.submit(_timed, extraction, shard)
            call.add_done_callback(lambda _: progress.advance(stage))
            calls[extraction].append(call)

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
    return Underway(calls)


def _timed(extraction: Extraction, shard: int) -> float:
    start = time.perf_counter()
    extract_shard(extraction, shard)
    return time.perf_counter() - start
