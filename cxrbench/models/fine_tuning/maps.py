"""The maps of images at a cut: computed once for each view, kept in float16, and read at random in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.data.batches import BATCH, padded_batches
from cxrbench.execution.failures import NotFinite
from cxrbench.models.features.frozen_backbone import as_features
from cxrbench.storage.files import seed_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from cxrbench.data.batches import ImageBatches
    from cxrbench.models.fine_tuning.cut import CutBackbone
    from cxrbench.storage.sharded_array import ShardedArray

    Array = NDArray[np.float32]

DTYPE = "float16"
"""Of the maps on disk: half the bytes of float32, and at most 5e-4 of a value is lost to rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRows:
    """What the upper part of a network learns from and is validated on.

    Attributes:
        views: maps of all images: of the clean view and then of the augmented ones.
        rows: int ``[m]``, training images as the imbalance strategy chose them; an image may occur several times.
        labels, weights: float32 ``[m]``.
        validation: rows of the validation images, and their labels.
        followed: training images whose loss is measured after each epoch, likewise.
    """

    views: tuple[ShardedArray, ...]
    rows: NDArray[np.int64]
    labels: Array
    weights: Array
    validation: tuple[NDArray[np.int64], NDArray[np.int64]]
    followed: tuple[NDArray[np.int64], NDArray[np.int64]]

    @property
    def clean(self) -> ShardedArray:
        """The maps of the clean view."""
        return self.views[0]

    def inputs(self, seed: int, epoch: int, batch: int) -> Callable[[NDArray[np.int64]], Array]:
        """Return a function of numbers in `rows` to maps, each of a view that is drawn in each epoch."""
        del batch
        drawn = np.random.default_rng(seed_from(seed, "view", epoch)).integers(len(self.views), size=len(self.rows))

        def read(block: NDArray[np.int64]) -> Array:
            maps = np.empty((len(block), *self.clean.row_shape()), dtype=np.float32)
            for number, view in enumerate(self.views):
                in_view = np.flatnonzero(drawn[block] == number)
                maps[in_view] = view.gather(self.rows[block[in_view]])
            return maps

        return read


def frozen_part(parts: CutBackbone) -> ImageBatches:
    """Return the lower part as a function of grey images, float32 ``[BATCH, size, size, 1]``; its weights are constants."""
    return as_features(parts.lower, (BATCH, *parts.lower.input.shape[1:3], 1))


def write_maps(
    maps: ShardedArray, pixels: ShardedArray, lower: ImageBatches, augmentation: Callable[[int], ImageBatches] | None = None
) -> None:
    """Compute the maps of a view that are missing on disk.

    Args:
        maps: of `DTYPE`, a row for each image.
        pixels: uint8 ``[rows, size, size]``.
        lower: as `frozen_part` returns it.
        augmentation: makes the augmentation of a shard of maps, of whole batches; None for the clean view.

    Raises:
        NotFinite: a map has values that float16 cannot hold.
    """
    for shard in maps.missing():
        with maps.writing(shard) as is_missing:
            if is_missing:
                augment = augmentation(shard) if augmentation else None
                maps.write(shard, _maps_of(pixels.read(*maps.bounds(shard)), lower, augment))


def _maps_of(images: NDArray[np.uint8], lower: ImageBatches, augment: ImageBatches | None) -> Iterator[NDArray[Any]]:
    for number, batch in enumerate(padded_batches(images)):
        with np.errstate(over="ignore"):  # checked below
            maps = np.asarray(lower(augment(batch) if augment else batch)).astype(DTYPE)
        if not np.isfinite(maps).all():
            raise NotFinite("the backbone has maps at the cut with values that float16 cannot hold. Train all of it instead")
        yield maps[: len(images) - number * BATCH]
