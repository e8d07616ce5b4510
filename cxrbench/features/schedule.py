"""Have the missing shards of all wanted features extracted, and keep account of what failed."""

from __future__ import annotations

import time
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.execution import reason_of
from cxrbench.features.extraction import Extraction, extract_shard

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from cxrbench.execution import Executor
    from cxrbench.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """What became of one extraction: the worker seconds it took (0 if it was on disk), or why it failed."""

    seconds: float = 0.0
    problem: str = ""


def extract_missing(extractions: Iterable[Extraction], executor: Executor, progress: Progress) -> dict[Extraction, Extracted]:
    """Extract every shard that is not on disk; a failed shard costs its own extraction only."""
    outcomes = dict.fromkeys(extractions, Extracted())
    calls: dict[Future[float], Extraction] = {}
    for extraction in outcomes:
        for shard in extraction.features.missing():
            calls[executor.submit(_timed, extraction, shard)] = extraction
    progress.begin("features", len(calls))
    for call in as_completed(calls):
        extraction = calls[call]
        outcomes[extraction] = _after(outcomes[extraction], call)
        progress.advance("features")
    return outcomes


def _after(so_far: Extracted, call: Future[float]) -> Extracted:
    try:
        return Extracted(seconds=so_far.seconds + call.result(), problem=so_far.problem)
    except Exception as error:
        return Extracted(seconds=so_far.seconds, problem=so_far.problem or reason_of(error))


def _timed(extraction: Extraction, shard: int) -> float:
    start = time.perf_counter()
    extract_shard(extraction, shard)
    return time.perf_counter() - start
