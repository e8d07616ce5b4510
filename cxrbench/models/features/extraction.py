"""Extract features in a worker: run the images of one shard through a backbone, once per view."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.config.seeds import augmentation_seed, backbone_seed
from cxrbench.data.batches import BATCH, checked_change, padded_batches, prefetched
from cxrbench.errors import ConfigError, PluginError
from cxrbench.models.features.frozen_backbone import FrozenBackbone, is_model_of_keras
from cxrbench.storage.files import digest, home
from cxrbench.storage.sharded_array import ShardedArray
from cxrbench.storage.versions import NUMERICAL_PACKAGES, name_of, versions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from cxrbench.config.part import Part
    from cxrbench.config.protocol import Protocol
    from cxrbench.config.values import Precision
    from cxrbench.data.batches import ImageBatches
    from cxrbench.data.decoding.pixels import Pixels
    from cxrbench.execution.devices import DeviceKind
    from cxrbench.models.weights import Weights
    from cxrbench.plugin.specs import Augmentation, Backbone

FORMAT = 4
"""Part of every cache key. Raise it when a change here gives other numbers for the same components."""
PIXELS_ON_GPU = 256 * 224 * 224
"""Pixels that a backbone gets at once on a GPU, unless those of a single batch are more; a CPU gets `BATCH` images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """One view of all images under one backbone. Picklable: a worker needs nothing else.

    Attributes:
        augmentation: None for the clean view.
        view: 0 for the clean view, then 1, 2, ...
        seed, precision: of the protocol.
    """

    pixels: Pixels
    backbone: Part[Backbone]
    weights: Weights
    augmentation: Part[Augmentation] | None
    view: int
    seed: int
    precision: Precision

    @property
    def features(self) -> ShardedArray:
        """The features on disk; the folder name is a hash of all that they depend on."""
        augmented = (self.augmentation.identity, self.view, self.seed) if self.augmentation else None
        depends_on = [self.pixels.digest, self.backbone.identity, self.weights.name, self.weights.digest, self.backbone_seed]
        key = digest(
            [
                FORMAT,
                *depends_on,
                augmented,
                BATCH,
                self.pixels.shard_rows,
                self.precision,
                _versions(self.backbone.spec.requires),
                os.environ.get("KERAS_BACKEND", ""),
            ]
        )
        folder, pixels = home() / "features" / key, self.pixels
        return ShardedArray(folder=folder, rows=pixels.rows, dtype="float32", shard_rows=pixels.shard_rows)

    @property
    def backbone_seed(self) -> int:
        """0 if the weights come from a file, so that these features serve every seed."""
        return backbone_seed(self.seed, self.weights.digest)

    @property
    def frozen_backbone(self) -> FrozenBackbone:
        """The backbone with its weights."""
        return FrozenBackbone(
            part=self.backbone,
            weights=self.weights,
            seed=self.backbone_seed,
            size=self.pixels.size,
            precision=self.precision,
        )


def count_views(augmentation: Part[Augmentation]) -> int:
    """Return the number of augmented views per image: the option `views`, or the number that the plugin declares."""
    views = augmentation.option("views", augmentation.spec.views)
    if type(views) is not int or views < 0 or (views == 0) != (augmentation.spec.views == 0):
        least = "a whole number from 1" if augmentation.spec.views else "0, because this augmentation changes nothing"
        raise ConfigError(f"{augmentation.component}: option views={views} must be {least}")
    return views


def clean_view(pixels: Pixels, backbone: Part[Backbone], weights: Weights, protocol: Protocol) -> Extraction:
    """Return the extraction of the view without augmentation."""
    return Extraction(
        pixels=pixels,
        backbone=backbone,
        weights=weights,
        augmentation=None,
        view=0,
        seed=protocol.seed,
        precision=protocol.precision,
    )


def extractions(
    pixels: Pixels, backbone: Part[Backbone], augmentation: Part[Augmentation], weights: Weights, protocol: Protocol
) -> tuple[Extraction, ...]:
    """Return the extractions of the clean view and then of each augmented view."""
    clean = clean_view(pixels, backbone, weights, protocol)
    views = range(1, count_views(augmentation) + 1)
    return (clean, *(replace(clean, augmentation=augmentation, view=view) for view in views))


def extract_shard(extraction: Extraction, features: ShardedArray, shard: int, batch: int = BATCH) -> None:
    """Extract one shard of features and write it to disk.

    Args:
        extraction: the view to extract.
        features: of the view, where the run keeps them.
        shard: number of the shard.
        batch: images per backbone call, a divisor of `BATCH`, or more in proportion on a GPU; it does not change the images
            that the backbone gets.

    Raises:
        PluginError: the backbone or the augmentation breaks its contract.
        NotFinite: it returned numbers that are not finite.
    """
    start, stop = features.bounds(shard)
    device, at_once = extraction.frozen_backbone.device, images_at_once(extraction, batch)
    found = extract(extraction, extraction.pixels.array.read(start, stop), shard, at_once)
    features.write(shard, [found], note=batch if device == "cpu" else {"batch": at_once, "device": device})


def extract(extraction: Extraction, images: NDArray[np.uint8], shard: int = 0, at_once: int = BATCH) -> NDArray[np.float32]:
    """Return the features of images ``[n, size, size]``, float32 ``[n, D]``; the augmentation is that of the shard."""
    read = prefetched(padded_batches(images), max(1, at_once // BATCH))
    augmented = map(shard_augmentation(extraction, shard), read)
    features = [extraction.frozen_backbone.features(images) for images in _regrouped(augmented, at_once)]
    widths = sorted({block.shape[1] for block in features})
    if len(widths) > 1:
        raise PluginError(
            f"backbone {extraction.backbone.component} returned different numbers of features per image: {widths}; "
            "the number must be constant"
        )
    return np.concatenate(features)[: len(images)]


def images_at_once(extraction: Extraction, batch: int = BATCH) -> int:
    """Return how many images the backbone gets at once here: `batch`, and on a GPU a power of two of such batches."""
    if extraction.frozen_backbone.device == "cpu":
        return batch
    pixels = extraction.pixels
    batches = min(PIXELS_ON_GPU // pixels.size**2, pixels.shard_rows) // BATCH
    return batch << max(1, batches).bit_length() - 1


def _regrouped(batches: Iterable[NDArray[np.float32]], at_once: int) -> Iterator[NDArray[np.float32]]:
    """Yield the images of batches in arrays of `at_once`; the last one is padded with copies of its first batch."""
    waiting, together = iter(batches), max(1, at_once // BATCH)
    while group := list(islice(waiting, together)):
        images = np.concatenate([*group, *[group[0]] * (together - len(group))])
        for first in range(0, len(images), at_once):
            yield images[first : first + at_once]


def smallest_batch(views: Iterable[ShardedArray]) -> int:
    """Return the smallest batch size that any shard of these views was extracted with."""
    notes = [note for view in views for note in view.notes().values() if note]
    return min((note["batch"] if isinstance(note, dict) else note for note in notes), default=BATCH)


def devices_of(views: Iterable[ShardedArray]) -> tuple[DeviceKind, ...]:
    """Return what computed the shards of these views, each kind once."""
    notes = [note for view in views for note in view.notes().values()]
    return tuple(sorted({note["device"] if isinstance(note, dict) else "cpu" for note in notes}))


@cache
def _versions(requirements: tuple[str, ...]) -> str:
    """Return the versions of the packages that features depend on: numerical ones, and those that the backbone requires."""
    return repr(versions_of(*NUMERICAL_PACKAGES, *map(name_of, requirements)))


def shard_augmentation(extraction: Extraction, shard: int) -> ImageBatches:
    """Return the augmentation of one shard; without one, a function that changes nothing."""
    part, shape = extraction.augmentation, (extraction.pixels.size, extraction.pixels.size, 1)
    if part is None:
        return lambda images: images
    seed = augmentation_seed(extraction.seed, extraction.view, shard)
    augment = as_augmentation(part.build(input_shape=shape, seed=seed), (BATCH, *shape))
    return checked_change(f"augmentation {part.component}", augment)


def as_augmentation(built: Any, shape: tuple[int, ...]) -> ImageBatches:
    """Return an augmentation as a function of images of `shape` that draws new random numbers at each call."""
    if is_model_of_keras(built):
        from cxrbench.models.backend import compile_call

        return compile_call(built, shape, training=True)
    return lambda images: built(images, training=True)
