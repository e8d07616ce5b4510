"""Images under a shift, as decoded images of their own: workers shift each image once, for everything that scores it."""

from __future__ import annotations

import os
import time
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.config.seeds import shift_seed
from cxrbench.data.batches import BATCH, checked_change, padded_batches
from cxrbench.errors import DiskFull, WorkersUnavailable
from cxrbench.execution.retry import submit_with_retry
from cxrbench.storage.files import digest
from cxrbench.storage.versions import NUMERICAL_PACKAGES, name_of, versions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, MutableMapping
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from cxrbench.config.part import Part
    from cxrbench.data.decoding.pixels import Pixels
    from cxrbench.execution.executor import Executor
    from cxrbench.execution.progress import Progress
    from cxrbench.execution.retry import BatchResult
    from cxrbench.plugin.specs import Shift

FORMAT = 2
"""Part of every identity. Raise it when a change here gives other pixels for the same shift. 1 did not round them."""
PACKAGES = (*NUMERICAL_PACKAGES, "scipy", "pillow")
"""Packages that shifted pixels depend on, besides those that a shift requires."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shifted:
    """A shift at one strength."""

    part: Part[Shift]
    strength: float

    def __str__(self) -> str:
        return f"{self.part.component}@{self.strength:.4g}"

    @property
    def identity(self) -> str:
        """Everything that shifted images depend on."""
        return digest(["shift", FORMAT, self.part.identity, self.strength])


@dataclass(frozen=True, slots=True, kw_only=True)
class Shifting:
    """A shift of decoded images. Picklable: a worker needs nothing else.

    Attributes:
        original: the images before they are shifted.
        seed: of the protocol.
    """

    original: Pixels
    shift: Shifted
    seed: int

    @property
    def pixels(self) -> Pixels:
        """The shifted images on disk, in the order of the original ones, rounded to whole grey levels as files hold them."""
        original = self.original
        key = [
            original.digest,
            self.shift.identity,
            self.seed,
            BATCH,
            original.shard_rows,
            _versions(self.shift.part.spec.requires),
            os.environ.get("KERAS_BACKEND", ""),
        ]
        return replace(original, digest=digest(["shifted", *key]))


@dataclass(frozen=True, slots=True)
class PendingShifts:
    """Shifted images that workers write: the calls of their shards, and the failures so far."""

    calls: Mapping[Shifting, list[Future[BatchResult[None]]]]
    failed: MutableMapping[Shifting, Exception] = field(default_factory=dict)

    def wait(self) -> dict[Shifted, Exception]:
        """Wait for all images; return why shifts failed, and raise what is not the fault of a shift."""
        for shifting, calls in self.calls.items():
            for call in calls:
                try:
                    call.result()
                except CancelledError:
                    continue
                except Exception as error:
                    self.failed.setdefault(shifting, error)
        for failure in self.failed.values():
            if isinstance(failure, DiskFull | WorkersUnavailable):
                raise failure
        return {shifting.shift: failure for shifting, failure in self.failed.items()}

    def on_shard_done(self, shifting: Shifting, call: Future[BatchResult[None]]) -> None:
        """Record the failure of a shard and cancel the remaining shards of its shift."""
        error = None if call.cancelled() else call.exception()
        if isinstance(error, Exception):
            self.failed.setdefault(shifting, error)
            for queued in list(self.calls[shifting]):
                queued.cancel()


def shift_missing(shiftings: Iterable[Shifting], executor: Executor, progress: Progress, stage: str) -> PendingShifts:
    """Have workers write every shard of shifted images that is missing on disk; `stage` names the progress stage."""
    missing = {shifting: _missing_shards(shifting, progress, stage) for shifting in shiftings}
    pending = PendingShifts({shifting: [] for shifting in missing})
    progress.begin(stage, sum(map(len, missing.values())))
    for shifting, shards in missing.items():
        for shard in shards:
            if shifting in pending.failed:
                progress.advance(stage)
                continue
            call = submit_with_retry(partial(_submit, executor, shifting, shard), BATCH)
            pending.calls[shifting].append(call)
            call.add_done_callback(lambda _: progress.advance(stage))
            call.add_done_callback(partial(pending.on_shard_done, shifting))
    return pending


def shift_shard(shifting: Shifting, shard: int) -> None:
    """Write one shard of shifted images, unless another process has done so.

    Raises:
        PluginError: the shift breaks its contract.
        NotFinite: it returned pixels that are not finite.
    """
    original, array = shifting.original.array, shifting.pixels.array
    with array.writing(shard) as is_missing:
        if is_missing:
            array.write(shard, shift_images(shifting, original.read(*original.bounds(shard)), shard))


def shift_images(shifting: Shifting, images: NDArray[np.uint8], shard: int = 0) -> Iterator[NDArray[np.uint8]]:
    """Yield the shifted images of a shard, uint8 ``[n, size, size]``, a batch at a time; raise as `shift_shard` does."""
    shift, size = shifting.shift, shifting.original.size
    seed = shift_seed(shifting.seed, shard)
    built = shift.part.build(input_shape=(size, size, 1), strength=shift.strength, seed=seed)
    change = checked_change(f"shift {shift}", built)
    for first, padded in zip(range(0, len(images), BATCH), padded_batches(images), strict=True):
        yield np.rint(change(padded)[: len(images) - first, ..., 0]).astype(np.uint8)


def time_shifting(shifting: Shifting) -> float:
    """Return the seconds that an image takes, from shifting two batches of random images; the first prepares the shift."""
    size = shifting.original.size
    shifted = shift_images(shifting, np.random.default_rng(0).integers(256, size=(2 * BATCH, size, size), dtype=np.uint8))
    next(shifted)
    start = time.perf_counter()
    next(shifted)
    return (time.perf_counter() - start) / BATCH


@cache
def _versions(requirements: tuple[str, ...]) -> str:
    """Return the versions of the packages that shifted pixels depend on. Reading them takes milliseconds."""
    return repr(versions_of(*PACKAGES, *map(name_of, requirements)))


def _submit(executor: Executor, shifting: Shifting, shard: int, _batch: int) -> Future[None]:
    """Submit a shard; a retry gets the same batches, as a shift's random numbers depend on them."""
    return executor.submit(shift_shard, shifting, shard)


def _missing_shards(shifting: Shifting, progress: Progress, stage: str) -> list[int]:
    array = shifting.pixels.array
    if damaged := array.damaged():
        progress.warn(
            f"{stage}, {shifting.shift}: {len(damaged)} of {array.shards} parts were damaged on disk and are shifted again"
        )
    return array.missing()
