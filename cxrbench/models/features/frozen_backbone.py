"""A backbone with its weights, built and compiled once per process: grey images in, features out."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.errors import PluginError
from cxrbench.execution.failures import NotFinite
from cxrbench.execution.keras_process import device_of_keras

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from cxrbench.config.part import Part
    from cxrbench.config.values import Precision
    from cxrbench.data.batches import ImageBatches
    from cxrbench.execution.devices import DeviceKind
    from cxrbench.models.weights import Weights
    from cxrbench.plugin.specs import Backbone

MOST_FEATURES = 2**16
"""Largest number of features per image. More would cost the head gigabytes and usually means that pooling is missing."""
CHANNELS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenBackbone:
    """A backbone whose weights never change. Picklable; equal ones give equal features.

    Attributes:
        seed: of untrained weights; 0 if the weights come from a file.
        size: height and width of the images.
        precision: in which its layers compute.
    """

    part: Part[Backbone]
    weights: Weights
    seed: int
    size: int
    precision: Precision

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Input shape of the backbone: (height, width, channels)."""
        return (self.size, self.size, CHANNELS)

    def build(self) -> Any:
        """Return the Keras model or the function that the plugin builds; this process keeps the last two."""
        return _built(self)

    def build_anew(self) -> Any:
        """Return one that no other caller gets, whose weights may be changed."""
        return _build(self)

    @property
    def is_network(self) -> bool:
        """Whether it is a network of Keras. Builds it."""
        return is_model_of_keras(self.build())

    @property
    def device(self) -> DeviceKind:
        """What it computes on in this process: a GPU only if it is a network. Builds it."""
        return device_of_keras() if self.is_network else "cpu"

    def compiled(self, batch: int) -> ImageBatches:
        """Return the backbone as a function of `batch` grey images, float32 ``[batch, size, size, 1]`` to ``[batch, D]``."""
        return _compiled(self, batch)

    def features(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the features of one batch of grey images, float32 ``[n, size, size, 1]`` to float32 ``[n, D]``.

        Raises:
            PluginError: the backbone breaks its contract.
            NotFinite: it returned numbers that are not finite.
        """
        return checked_features(str(self.part.component), self.compiled(len(images)), images)


def count_parameters(backbone: FrozenBackbone) -> int | None:
    """Return how many parameters a backbone has; None if it is no network of Keras."""
    built = backbone.build()
    return int(built.count_params()) if is_model_of_keras(built) else None


def checked_features(name: str, backbone: ImageBatches, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the features of images under a compiled backbone of this name; raise as `FrozenBackbone.features` does."""
    features = np.asarray(backbone(images), dtype=np.float32)
    if features.ndim != 2 or len(features) != len(images):
        raise PluginError(
            f"backbone {name} returned shape {features.shape} for {len(images)} images; "
            f"expected ({len(images)}, number of features)"
        )
    if features.shape[1] > MOST_FEATURES:
        raise PluginError(
            f"backbone {name} returned {features.shape[1]:,} features per image; the maximum is "
            f"{MOST_FEATURES:,}. Add a pooling layer"
        )
    if not np.isfinite(features).all():
        raise NotFinite(f"backbone {name} returned features that are not finite")
    return features


def as_features(built: Any, shape: tuple[int | None, int, int, int]) -> ImageBatches:
    """Return a backbone as a function of grey images of `shape`; a Keras model is compiled."""
    if is_model_of_keras(built):
        from cxrbench.models.backend import compile_features

        return compile_features(built, shape, CHANNELS)
    return lambda images: built(np.repeat(images, CHANNELS, axis=-1))


def is_model_of_keras(built: Any) -> bool:
    """Return whether a plugin built a Keras layer or model, which can be compiled. Does not import Keras."""
    if "keras" not in sys.modules:
        return False
    import keras

    return isinstance(built, keras.Layer)


def is_graph(layer: Any) -> bool:
    """Return whether a layer is a network of layers with one input and one output."""
    return all(len(getattr(layer, name, None) or ()) == 1 for name in ("inputs", "outputs"))


@lru_cache(maxsize=2)
def _compiled(backbone: FrozenBackbone, batch: int) -> ImageBatches:
    return as_features(_built(backbone), (batch, backbone.size, backbone.size, 1))


@lru_cache(maxsize=2)
def _built(backbone: FrozenBackbone) -> Any:
    """Build a backbone, once for all batch sizes."""
    return _build(backbone)


def _build(backbone: FrozenBackbone) -> Any:
    with _layer_precision(backbone.precision):
        weights = backbone.weights.argument
        return backbone.part.build(input_shape=backbone.input_shape, weights=weights, seed=backbone.seed)


def _layer_precision(precision: Precision) -> AbstractContextManager[None]:
    """Return a context in which Keras layers are built to compute in a precision. float32 does not import Keras."""
    if precision == "float32" and "keras" not in sys.modules:
        return nullcontext()
    from cxrbench.models.backend import layers_in

    return layers_in(precision)
