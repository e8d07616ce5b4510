"""Batches of images as augmentations and shifts get them, whose random numbers depend on the size of a batch."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from cxrbench.errors import PluginError
from cxrbench.execution.failures import NotFinite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    ImageBatches = Callable[[NDArray[np.float32]], NDArray[np.float32]]

T = TypeVar("T")

BATCH = 32
"""Images of a batch: always for an augmentation or a shift, and on a CPU for a backbone if memory allows."""


def padded_batches(images: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
    """Yield images ``[n, size, size]`` as float32 ``[BATCH, size, size, 1]``, the last padded with copies of its first image.

    All have the same shape, so that only one is compiled.
    """
    for first in range(0, len(images), BATCH):
        batch = images[first : first + BATCH]
        padded = np.concatenate([batch, np.repeat(batch[:1], BATCH - len(batch), axis=0)])
        yield padded[..., None].astype(np.float32)


def prefetched(batches: Iterable[T], ahead: int) -> Iterator[T]:
    """Yield the same batches; another thread reads up to `ahead` of them while the caller, or a GPU, computes."""
    waiting_for = iter(batches)
    with ThreadPoolExecutor(1) as reader:
        reading = deque(reader.submit(next, waiting_for, None) for _ in range(ahead))
        while (batch := reading.popleft().result()) is not None:
            reading.append(reader.submit(next, waiting_for, None))
            yield batch


def checked_change(name: str, change: ImageBatches) -> ImageBatches:
    """Return a change of images that keeps them in 0..255.

    Args:
        name: of the augmentation or shift, for messages.
        change: float32 ``[BATCH, size, size, 1]`` to the same.

    Raises:
        PluginError: when called, it changes the shape.
        NotFinite: likewise, it returns pixels that are not finite.
    """

    def checked(images: NDArray[np.float32]) -> NDArray[np.float32]:
        changed = np.asarray(change(images), dtype=np.float32)
        if changed.shape != images.shape:
            raise PluginError(f"{name} changed shape {images.shape} to {changed.shape}; it must keep the shape")
        if not np.isfinite(changed).all():
            raise NotFinite(f"{name} returned pixels that are not finite")
        return changed.clip(0, 255)

    return checked
