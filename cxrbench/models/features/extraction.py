"""Run every image through a backbone, once per view: what a worker does for one shard."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.errors import ConfigError, PluginError
from cxrbench.execution.failures import NotFinite
from cxrbench.storage.files import digest, home, seed_from
from cxrbench.storage.sharded_array import SHARD_ROWS, ShardedArray
from cxrbench.storage.versions import NUMERICAL, versions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from cxrbench.config.component import Part
    from cxrbench.config.protocol import Protocol
    from cxrbench.config.values import Precision
    from cxrbench.data.decoding.pixels import Pixels
    from cxrbench.models.weights import Weights
    from cxrbench.plugin.specs import Augmentation, Backbone

    ImageBatches = Callable[[NDArray[np.float32]], NDArray[np.float32]]

FORMAT = 4
"""To be raised when the same components come to other numbers: part of every cache key."""
BATCH = 32
"""Films that go through a backbone at once, where memory allows; an augmentation always draws for as many."""
WIDEST = 2**16
"""Features of an image: more would cost a head gigabytes, and are maps that somebody forgot to pool."""
CHANNELS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """One view of all images under one backbone: picklable, and all that a worker needs to know.

    Attributes:
        augmentation: None for the clean view.
        view: 0 for the clean view, then 1, 2, ...
        seed, precision: the protocol's.
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
        """Where the features lie, named by all that they depend on."""
        drawn = (self.augmentation.identity, self.view, self.seed) if self.augmentation else None
        depends_on = [self.pixels.digest, self.backbone.identity, self.weights.name, self.weights.digest, self.backbone_seed]
        key = digest(
            [
                FORMAT,
                *depends_on,
                drawn,
                BATCH,
                SHARD_ROWS,
                self.precision,
                _numerical_versions(),
                os.environ.get("KERAS_BACKEND", ""),
            ]
        )
        return ShardedArray(folder=home() / "features" / key, rows=self.pixels.rows, dtype="float32")

    @property
    def backbone_seed(self) -> int:
        """0 where weights come from a file, so that such features serve every seed."""
        return 0 if self.weights.digest else seed_from(self.seed, "backbone")

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """What the backbone gets: (height, width, channels)."""
        return (self.pixels.size, self.pixels.size, CHANNELS)


def count_views(augmentation: Part[Augmentation]) -> int:
    """Return how many augmented views of every image are drawn: the option `views`, or what the plugin declares."""
    views = augmentation.option("views", augmentation.spec.views)
    if type(views) is not int or views < 0 or (views == 0) != (augmentation.spec.views == 0):
        raise ConfigError(f"{augmentation.component}: option views={views} must be a whole number from 1; none draws none")
    return views


def clean_view(pixels: Pixels, backbone: Part[Backbone], weights: Weights, protocol: Protocol) -> Extraction:
    """Return the view that nothing was done to."""
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
    """Return the clean view and then each augmented one."""
    clean = clean_view(pixels, backbone, weights, protocol)
    views = range(1, count_views(augmentation) + 1)
    return (clean, *(replace(clean, augmentation=augmentation, view=view) for view in views))


def extract_shard(extraction: Extraction, shard: int, batch: int = BATCH) -> None:
    """Write one shard of features.

    Args:
        extraction: what is wanted.
        shard: which rows.
        batch: films that the backbone gets at once, of which `BATCH` is a multiple; the same films, whatever it is.

    Raises:
        PluginError: if the backbone or the augmentation breaks its contract.
        NotFinite: if it makes numbers that are not finite.
    """
    start, stop = extraction.features.bounds(shard)
    backbone = _backbone(
        extraction.backbone,
        extraction.weights,
        extraction.backbone_seed,
        extraction.input_shape,
        extraction.precision,
        batch=batch,
    )
    augment = _augmentation(extraction, shard)
    films = extraction.pixels.array.read(start, stop)
    drawn = (augment(_filled(films[first : first + BATCH])) for first in range(0, stop - start, BATCH))
    batches = (filled[first : first + batch] for filled in drawn for first in range(0, BATCH, batch))
    found = [_features(extraction, backbone, films) for films in batches]
    widths = sorted({len(features[0]) for features in found})
    if len(widths) > 1:
        raise PluginError(f"backbone {extraction.backbone.component} returned {widths} features")
    extraction.features.write(shard, [np.concatenate(found)[: stop - start]], note=batch)


def smallest_batch(views: Iterable[ShardedArray]) -> int:
    """Return how many films went through the backbone at once for the shard of some features that had the least memory."""
    return min((note for view in views for note in view.notes().values() if note), default=BATCH)


def _filled(films: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return float32 ``[BATCH, size, size, 1]``; a shorter last batch is filled with its first image: one shape compiles."""
    filled = np.concatenate([films, np.repeat(films[:1], BATCH - len(films), axis=0)])
    return filled[..., None].astype(np.float32)


def _features(extraction: Extraction, backbone: ImageBatches, films: NDArray[np.float32]) -> NDArray[np.float32]:
    features = np.asarray(backbone(films), dtype=np.float32)
    if features.ndim != 2 or len(features) != len(films):
        raise PluginError(
            f"backbone {extraction.backbone.component} returned shape {features.shape} for {len(films)} images; "
            f"expected ({len(films)}, number of features)"
        )
    if features.shape[1] > WIDEST:
        raise PluginError(
            f"backbone {extraction.backbone.component} returned {features.shape[1]:,} features of an image; a head takes "
            f"{WIDEST:,} at most: pool them"
        )
    if not np.isfinite(features).all():
        raise NotFinite(f"backbone {extraction.backbone.component} returned features that are not finite")
    return features


@cache
def _numerical_versions() -> str:
    return repr(versions_of(*NUMERICAL))


@lru_cache(maxsize=2)
def _backbone(
    part: Part[Backbone], weights: Weights, seed: int, input_shape: tuple[int, int, int], precision: Precision, *, batch: int
) -> ImageBatches:
    """Return a backbone as a function of so many grey films."""
    return as_features(_built(part, weights, seed, input_shape, precision), (batch, *input_shape[:2], 1))


@lru_cache(maxsize=2)
def _built(part: Part[Backbone], weights: Weights, seed: int, input_shape: tuple[int, int, int], precision: Precision) -> Any:
    """Build a backbone, once for all sizes of batches."""
    with _layers_in(precision):
        return part.build(input_shape=input_shape, weights=weights.name, seed=seed)


def as_features(built: Any, shape: tuple[int, int, int, int]) -> ImageBatches:
    """Return a backbone as a function of grey films of `shape`; what is Keras' own is compiled."""
    if is_model_of_keras(built):
        from cxrbench.models.backend import compile_features

        return compile_features(built, shape, CHANNELS)
    return lambda films: built(np.repeat(films, CHANNELS, axis=-1))


def _layers_in(precision: Precision) -> AbstractContextManager[None]:
    """Have Keras layers compute in a precision while a backbone is built; Keras is not imported for the usual one."""
    if precision == "float32" and "keras" not in sys.modules:
        return nullcontext()
    from cxrbench.models.backend import layers_in

    return layers_in(precision)


def _augmentation(extraction: Extraction, shard: int) -> ImageBatches:
    """Return the augmentation of one shard, its random numbers fixed by seed, view and shard."""
    if extraction.augmentation is None:
        return lambda films: films
    shape = (extraction.pixels.size, extraction.pixels.size, 1)
    seed = seed_from(extraction.seed, extraction.view, shard)
    built = extraction.augmentation.build(input_shape=shape, seed=seed)
    augment = as_augmentation(built, (BATCH, *shape))

    def checked(films: NDArray[np.float32]) -> NDArray[np.float32]:
        augmented = np.asarray(augment(films), dtype=np.float32)
        if augmented.shape != films.shape:
            raise PluginError(
                f"augmentation {extraction.augmentation and extraction.augmentation.component} turned shape {films.shape} into "
                f"{augmented.shape}; it must keep the shape"
            )
        if not np.isfinite(augmented).all():
            raise NotFinite(
                f"augmentation {extraction.augmentation and extraction.augmentation.component} made pixels not finite"
            )
        return augmented.clip(0, 255)

    return checked


def is_model_of_keras(built: Any) -> bool:
    """Return whether a plugin built something of Keras' own, which can be compiled; Keras is not imported to find out."""
    if "keras" not in sys.modules:
        return False
    from cxrbench.models.backend import is_model

    return is_model(built)


def as_augmentation(built: Any, shape: tuple[int, ...]) -> ImageBatches:
    """Return an augmentation as a function of films of `shape` that draws new numbers at every call."""
    if is_model_of_keras(built):
        from cxrbench.models.backend import compile_call

        return compile_call(built, shape, training=True)
    return lambda films: built(films, training=True)
