"""The maps of images at a cut: computed once for each view, kept in float16, and read at random in training."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.data.batches import BATCH, padded_batches
from cxrbench.execution.failures import NotFinite
from cxrbench.models.features.extraction import shard_augmentation
from cxrbench.models.features.frozen_backbone import as_features
from cxrbench.storage.files import digest, seed_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from cxrbench.data.batches import ImageBatches
    from cxrbench.models.features.extraction import Extraction
    from cxrbench.models.features.frozen_backbone import FrozenBackbone
    from cxrbench.models.fine_tuning.cut import CutBackbone
    from cxrbench.storage.sharded_array import ShardedArray

    Array = NDArray[np.float32]

FORMAT = 1
"""Part of every cache key. Raise it when a change here gives other maps of the same view."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class MapView:
    """The maps of one view of all images. Picklable: a worker needs nothing else.

    Attributes:
        extraction: the view: images, backbone and augmentation. Its features are not needed.
        where: the backbone is cut, as `cut` takes it.
    """

    extraction: Extraction
    where: float | str

    @property
    def maps(self) -> ShardedArray:
        """The maps on disk; they depend on what features depend on, and on the place of the cut."""
        features = self.extraction.features
        folder = features.folder.with_name(digest([FORMAT, features.folder.name, self.where]))
        return replace(features, folder=folder, dtype=DTYPE)


def extract_maps(view: MapView, maps: ShardedArray, shard: int, batch: int = BATCH) -> float:
    """Compute the maps of a shard and write them to disk, unless another process has done so; return the seconds it took.

    Args:
        view: the view.
        maps: its `maps`; the caller finds them, as a worker resolves no key of the cache.
        shard: number of the shard.
        batch: images per call of the network, a divisor of `BATCH`.

    Raises:
        NotFinite: a map has values that float16 cannot hold.
    """
    start, extraction = time.perf_counter(), view.extraction
    with maps.writing(shard) as is_missing:
        if is_missing:
            images = extraction.pixels.array.read(*maps.bounds(shard))
            lower = _lower_part(extraction.frozen_backbone, view.where, batch)
            augmented = map(shard_augmentation(extraction, shard), padded_batches(images))
            maps.write(shard, maps_of(augmented, len(images), lower, batch), note=batch)
    return time.perf_counter() - start


def maps_of(batches: Iterable[Array], count: int, lower: ImageBatches, batch: int = BATCH) -> Iterator[NDArray[Any]]:
    """Yield the maps of `count` images, which come in whole batches; raise as `extract_maps` does."""
    for number, images in enumerate(batches):
        parts = [lower(images[first : first + batch]) for first in range(0, BATCH, batch)]
        with np.errstate(over="ignore"):  # checked below
            maps = np.concatenate(parts).astype(DTYPE)
        if not np.isfinite(maps).all():
            raise NotFinite("the backbone has maps at the cut with values that float16 cannot hold: use --fine-tune-from all")
        yield maps[: count - number * BATCH]


def frozen_part(parts: CutBackbone, batch: int = BATCH) -> ImageBatches:
    """Return the lower part as a function of grey images, float32 ``[batch, size, size, 1]``; its weights are constants."""
    return as_features(parts.lower, (batch, *parts.lower.input.shape[1:3], 1))


@lru_cache(maxsize=2)
def _lower_part(backbone: FrozenBackbone, where: float | str, batch: int) -> ImageBatches:
    from cxrbench.models.fine_tuning.cut import cut

    return frozen_part(cut(backbone.build_anew(), backbone.size, where), batch)
