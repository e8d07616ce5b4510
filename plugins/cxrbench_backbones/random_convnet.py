"""A small convolutional network that was never trained: what architecture alone can see."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.plugin import ConfigError
from cxrbench_backbones.checks import require_size, require_untrained

if TYPE_CHECKING:
    from numpy.typing import NDArray

REDUCED = 56
FIRST_FILTERS, FIRST_KERNEL, SECOND_KERNEL = 16, 5, 3
GRID = 4


def random_convnet(*, input_shape: tuple[int, int, int], weights: str, seed: int, filters: int = 32) -> Any:
    """Build a `keras.Model` of two random convolutions: ``[B, H, W, 3]`` in 0..255 to ``[B, 16 * filters]``, 512 by default.

    Grey, reduced to about 56 pixels; 5x5 and 3x3 kernels, each followed by ReLU and average pooling; the last maps are averaged
    over a 4x4 grid of regions and standardised within each image. About 5 million multiplications an image. Random filters with
    pooling are frequency-selective and largely shift-invariant, hence good features (Saxe et al., ICML 2011).
    """
    require_untrained("random-convnet", weights)
    require_size("random-convnet", input_shape, 32)
    if filters < 1:
        raise ConfigError(f"random-convnet needs at least one filter, not filters={filters}")
    model = _network(input_shape, filters)
    generator = np.random.default_rng(seed)
    model.set_weights([_kernel(generator, variable.shape) for variable in model.weights])
    model.trainable = False
    return model


def _network(input_shape: tuple[int, int, int], filters: int) -> Any:
    """Put the layers together."""
    import keras

    images = keras.Input(input_shape, dtype="float32")
    maps = keras.layers.Rescaling(1 / 127.5, -1.0, dtype="float32")(images)
    maps = keras.layers.AveragePooling2D(tuple(max(1, side // REDUCED) for side in input_shape[:2]))(maps)
    maps = keras.ops.mean(maps, axis=-1, keepdims=True)
    maps = _convolution(maps, FIRST_FILTERS, FIRST_KERNEL)
    maps = keras.layers.AveragePooling2D(2, padding="same")(maps)
    maps = _convolution(maps, filters, SECOND_KERNEL)
    regions = tuple(math.ceil(side / GRID) for side in maps.shape[1:3])
    maps = keras.layers.AveragePooling2D(regions, padding="same")(maps)
    features = keras.layers.Flatten()(maps)
    features = keras.layers.LayerNormalization(center=False, scale=False, epsilon=1e-8, dtype="float32")(features)
    return keras.Model(images, features, name="random_convnet")


def _convolution(maps: Any, filters: int, kernel: int) -> Any:
    """Convolve and rectify, without biases: what is random here are the filters."""
    import keras

    return keras.layers.Conv2D(filters, kernel, padding="same", use_bias=False, activation="relu")(maps)


def _kernel(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Draw kernels ``[height, width, inputs, outputs]`` that ignore brightness and have length root 2, which ReLU halves."""
    kernel = generator.standard_normal(shape, dtype=np.float32)
    kernel -= kernel.mean(axis=(0, 1), keepdims=True)
    scaled: NDArray[np.float32] = kernel * np.sqrt(2 / np.square(kernel).sum(axis=(0, 1, 2), keepdims=True))
    return scaled
