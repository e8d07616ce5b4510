"""The convolutions of DarkCovidNet, in the order and with the numbers of filters that were published."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cxrbench.plugin import ConfigError

SMALLEST = 32
BLOCKS = (
    ((8, 3),),
    ((16, 3),),
    ((32, 3), (16, 1), (32, 3)),
    ((64, 3), (32, 1), (64, 3)),
    ((128, 3), (64, 1), (128, 3)),
    ((256, 3), (128, 1), (256, 3), (128, 1), (256, 3)),
)
"""(filters, kernel size) of each convolution; maximum pooling halves the maps between blocks."""
SLOPE, MOMENTUM, EPSILON = 0.1, 0.9, 1e-5
"""Of leaky ReLU and batch normalisation: the defaults of PyTorch, whose momentum of 0.1 Keras calls 0.9."""


def darkcovidnet(*, input_shape: tuple[int, int, int], weights: str, seed: int) -> Any:
    """Build a `keras.Model` of 16 convolutions: float32 ``[B, H, W, 3]`` in 0..255 to float32 ``[B, 256]``.

    Ozturk et al., Computers in Biology and Medicine 121:103792, 2020, as in their code (github.com/muhammedtalo/COVID-19).
    Each convolution is followed by batch normalisation and leaky ReLU. The 1x1 convolutions pad by one pixel, too, so images of
    256 pixels end as maps of 13. The maps are averaged where the published network has its 17th convolution, with one filter
    per class, and a dense layer. It standardises images with the mean and deviation of one batch; here they are 128 and 64.

    The weights are drawn from the seed: normal, variance 2 / fan-in (He et al., ICCV 2015, equation 10).

    Raises:
        ConfigError: pretrained weights were asked for, or the images are smaller than 32 pixels.
    """
    _require(weights, input_shape)
    model = _network(input_shape)
    generator = np.random.default_rng(seed)
    for kernel in (weight for weight in model.trainable_weights if len(weight.shape) > 1):
        deviation = math.sqrt(2 / math.prod(kernel.shape[:-1]))
        kernel.assign(deviation * generator.standard_normal(tuple(kernel.shape), dtype=np.float32))
    model.trainable = False
    return model


def _require(weights: str, input_shape: tuple[int, int, int]) -> None:
    """Refuse pretrained weights and images that are too small."""
    if weights != "none":
        raise ConfigError(
            f"backbone darkcovidnet has no pretrained weights, but weights={weights} was asked for: leave weights out"
        )
    height, width, _ = input_shape
    if min(height, width) < SMALLEST:
        raise ConfigError(
            f"backbone darkcovidnet needs images of at least {SMALLEST}x{SMALLEST} pixels, not {height}x{width}: "
            f"use --image-size {SMALLEST} or more"
        )


def _network(input_shape: tuple[int, int, int]) -> Any:
    """Put the layers together."""
    import keras

    images = keras.Input(input_shape, dtype="float32")
    maps = keras.layers.Rescaling(1 / 64, -2.0)(images)
    for number, block in enumerate(BLOCKS):
        if number:
            maps = keras.layers.MaxPooling2D(2)(maps)
        for filters, size in block:
            maps = _convolution(maps, filters, size)
    features = keras.layers.GlobalAveragePooling2D(dtype="float32")(maps)
    return keras.Model(images, features, name="darkcovidnet")


def _convolution(maps: Any, filters: int, size: int) -> Any:
    """Convolve maps that are padded by one pixel, normalise and rectify."""
    import keras

    maps = keras.layers.ZeroPadding2D(1)(maps) if size == 1 else maps
    maps = keras.layers.Conv2D(filters, size, padding="same", use_bias=False)(maps)
    maps = keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON)(maps)
    return keras.layers.LeakyReLU(SLOPE)(maps)
