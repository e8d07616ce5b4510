"""Seeded weights for networks without pretrained ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator


def reinitialise(model: Any, seed: int) -> None:
    """Draw every kernel of a Keras model anew from the seed; leave biases, scales and normalisation statistics as built.

    He et al., ICCV 2015, arXiv 1502.01852, equation 10: normal, variance 2 / fan-in, the fan-in of a depthwise kernel being its
    window alone; 1 / fan-in inside separable convolutions, where no ReLU follows. With Keras' own initial weights the signal
    dies out in most of these networks, whose normalisation is idle until trained.

    Drawn by NumPy, so that the weights are the same bytes in every process and under every Keras backend.
    """
    generator = np.random.default_rng(seed)
    for layer in _leaves(model):
        for weight in layer.trainable_weights:
            if len(weight.shape) > 1:
                deviation = math.sqrt(_variance(layer, weight))
                weight.assign(deviation * generator.standard_normal(tuple(weight.shape), dtype=np.float32))


def standardised(features: Any) -> Any:
    """Standardise features ``[B, D]`` within each image: those of untrained networks are of any magnitude, 1e-4 to 1e+5."""
    import keras

    return keras.layers.LayerNormalization(center=False, scale=False, epsilon=1e-14, dtype="float32")(features)


def _leaves(layer: Any) -> Iterator[Any]:
    """Walk the layers that hold weights themselves, in the order they were built."""
    nested = getattr(layer, "layers", None)
    if nested is None:
        yield layer
    for inner in nested or ():
        yield from _leaves(inner)


def _variance(layer: Any, weight: Any) -> float:
    """Return the variance that keeps the signal's, for a kernel ``[height, width, inputs, outputs]``."""
    import keras

    window: int = math.prod(weight.shape[:2])
    inputs: int = math.prod(weight.shape[:-1])
    if weight.name == "depthwise_kernel":
        return 1 / window
    return 2 / (window if isinstance(layer, keras.layers.DepthwiseConv2D) else inputs)
