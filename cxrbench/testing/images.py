"""Draw test images: smooth shapes, edges and noise over the whole grey range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

COARSE_CELLS = 9


def unit_images(count: int, size: int) -> Floats:
    """Return images, float32 ``[count, size, size, 1]`` in 0..1; each contains both 0 and 1."""
    from scipy.ndimage import zoom

    generator = np.random.default_rng(0)
    coarse = generator.random((count, COARSE_CELLS, COARSE_CELLS))
    smooth = zoom(coarse, (1, size / COARSE_CELLS, size / COARSE_CELLS), order=1, mode="nearest")
    edges = generator.integers(0, 2, (count, COARSE_CELLS, COARSE_CELLS)).repeat(-(-size // COARSE_CELLS), axis=1)
    edges = edges.repeat(-(-size // COARSE_CELLS), axis=2)[:, :size, :size]
    images = smooth + 0.3 * edges + 0.1 * generator.random((count, size, size))
    low, high = images.min(axis=(1, 2), keepdims=True), images.max(axis=(1, 2), keepdims=True)
    return np.asarray(((images - low) / (high - low))[..., None], dtype=np.float32)


def grey_images(count: int, size: int) -> Floats:
    """Return images of whole grey levels, float32 ``[count, size, size, 1]`` in 0..255."""
    return np.rint(255 * unit_images(count, size))
