"""The places of a machine where calls are computed: a process for each thread of its Dask worker, and one for each GPU."""

from __future__ import annotations

import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cxrbench.execution.devices import DeviceKind
    from cxrbench.execution.process_pool import WorkerPool

IDLE_SECONDS = 600.0
"""Processes end after so long without a call: their run may have been killed."""


def resources_of(run: str) -> dict[DeviceKind, str]:
    """Return the resources that a Dask worker has for the calls of a run: one for each place without and with a GPU."""
    return {"cpu": run, "gpu": f"{run}-gpu"}


@dataclass(slots=True, kw_only=True)
class _Place:
    """Where one call at a time is computed, in a pool of one process, so that it can be stopped without the others.

    Attributes:
        gpus: the one that the process sees, or none.
        pool: None while no process is there.
    """

    gpus: tuple[str, ...]
    pool: WorkerPool | None = None


class Places:
    """All places of a machine."""

    def __init__(self, start: Callable[..., WorkerPool], threads: int, gpus: Sequence[str]) -> None:
        """Start a process for each thread; those for GPUs start with their first call.

        Args:
            start: returns a pool of one process that sees none but the given `gpus`.
            threads: of the Dask worker.
            gpus: that this machine gives to the run.
        """
        self._start = start
        self._lock, self._closed = Lock(), Event()
        self._used = time.monotonic()
        self._places: Mapping[DeviceKind, Sequence[_Place]] = {
            "cpu": [_Place(gpus=(), pool=start(gpus=())) for _ in range(threads)],
            "gpu": [_Place(gpus=(gpu,)) for gpu in gpus],
        }
        self._free = {kind: deque(places) for kind, places in self._places.items()}
        Thread(target=self._end_idle, daemon=True).start()

    @property
    def is_closed(self) -> bool:
        """Whether the worker ends."""
        return self._closed.is_set()

    @contextmanager
    def taken(self, kind: DeviceKind) -> Iterator[WorkerPool]:
        """Take a free place; if the block stops its pool, another one starts with the next call."""
        with self._lock:
            place = self._free[kind].pop()
        place.pool = place.pool or self._start(gpus=place.gpus)
        try:
            yield place.pool
        finally:
            if place.pool.is_stopped:
                place.pool = None
            with self._lock:
                self._used = time.monotonic()
                self._free[kind].append(place)

    def close(self) -> None:
        """End the processes that are free; calls under way end their own."""
        self._closed.set()
        self._stop_free()

    def _stop_free(self) -> None:
        with self._lock:
            free = [place for places in self._free.values() for place in places]
            pools = [place.pool for place in free if place.pool]
            for place in free:
                place.pool = None
        for pool in pools:
            pool.stop()

    def _end_idle(self) -> None:
        while not self._closed.wait(IDLE_SECONDS / 10):
            with self._lock:
                are_all_free = all(len(self._free[kind]) == len(places) for kind, places in self._places.items())
                is_idle = are_all_free and time.monotonic() - self._used > IDLE_SECONDS
            if is_idle:
                self._stop_free()
