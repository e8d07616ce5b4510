"""What differs before the display: exposure, sharpness, noise and resolution. NumPy and SciPy alone.

Grey levels are taken as proportional to the logarithm of the exposure, as in the straight part of a film's curve,
and 0..255 as two decades of exposure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Images = NDArray[np.float32]
    """Grey images, float32 ``[B, H, W, 1]`` in 0..255."""

RANGE = 255.0
DECADES = 2.0
"""Of exposure between black and white: display windows of chest images span about this much."""
LEAST_SIGMA = 1e-3
"""In pixels; a smaller one changes no grey level."""
REFERENCE_SIZE = 224
"""The size that widths in pixels refer to."""


def exposure(*, input_shape: tuple[int, int, int], strength: float, seed: int) -> Callable[[Images], Images]:
    """Return a change of exposure by `strength` stops, up or down, through a curve with toe and shoulder: black stays black.

    The deviation index of a radiograph is 10 log10 of the ratio to the target, and 3 is a factor of 2, one stop; AAPM TG 116
    calls up to 1 (a third of a stop) the target range and beyond 3 an overexposure that needs action (Shepard et al., Med Phys
    36:2898, 2009).
    """
    del input_shape
    generator, step = np.random.default_rng(seed), strength * np.log10(2) / DECADES * RANGE

    def expose(images: Images) -> Images:
        signs, greys = generator.choice([-1, 1], size=(len(images), 1, 1, 1)), images / RANGE
        return clipped(images + signs * step * 4 * greys * (1 - greys))

    return expose


def blur(*, input_shape: tuple[int, int, int], strength: float, seed: int) -> Callable[[Images], Images]:
    """Return a Gaussian blur with a sigma of `strength` pixels at 224, about 1.9 mm each.

    At 100 ms the heart's border moves by a millimetre or two, and portable units need such times.
    """
    del seed
    from scipy.ndimage import gaussian_filter1d

    sigma = strength * input_shape[0] / REFERENCE_SIZE

    def smooth(images: Images) -> Images:
        if sigma < LEAST_SIGMA:
            return images
        rows = gaussian_filter1d(images, sigma, axis=1, mode="nearest")
        return clipped(gaussian_filter1d(rows, sigma, axis=2, mode="nearest"))

    return smooth


def noise(*, input_shape: tuple[int, int, int], strength: float, seed: int) -> Callable[[Images], Images]:
    """Return quantum noise with a standard deviation of `strength` percent of the range at mid-grey.

    The relative noise of `n` quanta is the square root of 1 / n, so bright parts, which few quanta reached, are noisier.
    """
    del input_shape
    generator = np.random.default_rng(seed)

    def add(images: Images) -> Images:
        deviation = strength / 100 * RANGE * 10 ** (DECADES / 2 * (images / RANGE - 0.5))
        return clipped(images + deviation * generator.standard_normal(images.shape, dtype=np.float32))

    return add


def resolution(*, input_shape: tuple[int, int, int], strength: float, seed: int) -> Callable[[Images], Images]:
    """Return images that were stored ``1 + strength`` times smaller and enlarged again, both bilinearly."""
    del seed
    from PIL import Image

    size = input_shape[1], input_shape[0]
    smaller = round(size[0] / (1 + strength)), round(size[1] / (1 + strength))

    def reduce(image: NDArray[np.float32]) -> NDArray[np.float32]:
        stored = Image.fromarray(image).resize(smaller, Image.Resampling.BILINEAR)
        return np.asarray(stored.resize(size, Image.Resampling.BILINEAR))

    def store(images: Images) -> Images:
        return clipped(np.stack([reduce(image) for image in images[..., 0]])[..., None]) if strength else images

    return store


def clipped(images: NDArray[np.floating[Any]]) -> Images:
    """Return images in 0..255."""
    return np.asarray(np.clip(images, 0, RANGE), dtype=np.float32)
