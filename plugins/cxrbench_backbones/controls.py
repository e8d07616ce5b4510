"""Backbones that must NOT do well: each sees only what should not suffice for a diagnosis. Pure NumPy.

Where one of them comes near a real backbone, the dataset offers a shortcut (DeGrave et al., Nature Machine Intelligence 2021).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.plugin import ImageFunction  # noqa: TC001  # the harness resolves the annotations of factories
from cxrbench_backbones.checks import require_size, require_untrained
from cxrbench_backbones.images import Floats, grey, shrink

if TYPE_CHECKING:
    from numpy.typing import NDArray

BORDER_SIZE, BORDER_WIDTH = 32, 3
THUMBNAIL_SIZE = 8
BINS = 32
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def border(*, input_shape: tuple[int, int, int], weights: str, seed: int) -> ImageFunction:
    """See only the frame: the outer 3 pixels of the image reduced to 32x32, ``[B, 348]`` in -1..1."""
    _require("control-border", input_shape, weights)
    return _border


def intensity(*, input_shape: tuple[int, int, int], weights: str, seed: int) -> ImageFunction:
    """See only how bright the pixels are, not where: mean, deviation, 7 quantiles, 32 bins, ``[B, 41]`` in -1..1."""
    _require("control-intensity", input_shape, weights)
    return _intensity


def thumbnail(*, input_shape: tuple[int, int, int], weights: str, seed: int) -> ImageFunction:
    """See only 8x8 grey pixels: ``[B, 64]`` in -1..1."""
    _require("control-thumbnail", input_shape, weights)
    return _thumbnail


def _require(name: str, input_shape: tuple[int, int, int], weights: str) -> None:
    """Refuse what no control can be made with."""
    require_untrained(name, weights)
    require_size(name, input_shape, BORDER_SIZE)


def _border(images: Floats) -> Floats:
    """Keep the frame of the reduced images."""
    frame = np.ones((BORDER_SIZE, BORDER_SIZE), dtype=bool)
    frame[BORDER_WIDTH:-BORDER_WIDTH, BORDER_WIDTH:-BORDER_WIDTH] = False
    return _centred(shrink(grey(images), BORDER_SIZE)[:, frame])


def _intensity(images: Floats) -> Floats:
    """Summarise the pixels in order of brightness, so that not even a rounding error depends on their places."""
    shades = _in_order(grey(images).reshape(len(images), -1))
    mean = shades.mean(axis=1, keepdims=True)
    deviation = shades.std(axis=1, keepdims=True)
    places = np.rint(np.multiply(QUANTILES, shades.shape[1] - 1)).astype(np.int64)
    frequencies = np.stack([_frequencies(row) for row in shades])
    return np.concatenate([_centred(mean), deviation / 127.5, _centred(shades[:, places]), np.sqrt(frequencies)], axis=1)


def _in_order(shades: Floats) -> Floats:
    """Sort every row. Whole grey levels, as files hold them, are sorted as bytes, which takes a ninth of the time."""
    levels = shades.astype(np.uint8)
    if np.array_equal(levels, shades):
        return np.sort(levels, axis=1, kind="stable").astype(np.float32)
    return np.sort(shades, axis=1)


def _frequencies(shades: Floats) -> Floats:
    """Return the share of the sorted pixels in each of 32 equal bins of 0..255."""
    inner = np.arange(1, BINS) * (256 / BINS)
    cuts: NDArray[np.int64] = np.searchsorted(shades, inner.astype(np.float32)).astype(np.int64)
    counts = np.diff(cuts, prepend=0, append=len(shades))
    return (counts / len(shades)).astype(np.float32)


def _thumbnail(images: Floats) -> Floats:
    """Reduce the images."""
    return _centred(shrink(grey(images), THUMBNAIL_SIZE).reshape(len(images), -1))


def _centred(shades: Floats) -> Floats:
    """Bring 0..255 to -1..1."""
    return shades / np.float32(127.5) - np.float32(1)
