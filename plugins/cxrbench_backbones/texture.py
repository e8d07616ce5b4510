"""Hand-made texture features: gradients and local patterns of the grey image, no weights, no training."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.plugin import ConfigError, ImageFunction
from cxrbench_backbones.checks import require_size, require_untrained
from cxrbench_backbones.images import Floats, grey, shrink, standardise

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRADIENT_SIZE, GRADIENT_CELL = 80, 16
PATTERN_SIZE, PATTERN_CELL, NEIGHBOURS = 56, 8, 8
CODES = NEIGHBOURS + 2
"""Uniform patterns with 0..8 bright neighbours, and one code for all others."""


def texture(
    *, input_shape: tuple[int, int, int], weights: str, seed: int, orientations: int = 8, radius: int = 1
) -> ImageFunction:
    """Describe images ``[B, H, W, 3]`` in 0..255 by HOG and LBP: ``[B, 64 * orientations + 490]``, 1,002 by default.

    `orientations` is the number of directions of a gradient, `radius` the distance in pixels between a pixel and the
    neighbours that it is compared with. The seed changes nothing. Each of the two parts is standardised within each image.
    """
    require_untrained("texture", weights)
    require_size("texture", input_shape, 32)
    if orientations < 1 or not 1 <= radius < PATTERN_CELL:
        raise ConfigError(
            f"texture cannot be made with orientations={orientations} and radius={radius}: "
            f"orientations must be at least 1 and radius between 1 and {PATTERN_CELL - 1}"
        )
    return partial(_describe, orientations=orientations, radius=radius)


def _describe(images: Floats, *, orientations: int, radius: int) -> Floats:
    """Compute both parts for every image."""
    shades = grey(images)
    gradients = np.stack([_gradients(image, orientations) for image in shrink(shades, GRADIENT_SIZE)])
    patterns = np.stack([_patterns(image, radius) for image in shrink(shades, PATTERN_SIZE)])
    return np.concatenate([standardise(gradients), standardise(patterns)], axis=1)


def _gradients(image: Floats, orientations: int) -> Floats:
    """Histogram the directions of the gradients, in cells normalised by 2x2 blocks (Dalal and Triggs, CVPR 2005)."""
    from skimage.feature import hog

    cell = (GRADIENT_CELL, GRADIENT_CELL)
    histograms = hog(image, orientations=orientations, pixels_per_cell=cell, cells_per_block=(2, 2), block_norm="L2-Hys")
    return np.asarray(histograms, dtype=np.float32)


def _patterns(image: Floats, radius: int) -> Floats:
    """Histogram the uniform local binary patterns per cell (Ojala et al., PAMI 2002), as roots of frequencies.

    The root (Hellinger's) keeps the few frequent codes from drowning the rare ones.
    """
    from skimage.feature import local_binary_pattern

    # Whole numbers, because rounding errors would decide how equal neighbours compare.
    whole = np.rint(image).astype(np.uint8)
    # Repeated edges, because the library counts what lies outside the image as black.
    padded = np.pad(whole, radius, mode="edge")
    codes = local_binary_pattern(padded, NEIGHBOURS, radius, method="uniform").astype(np.int64)
    cells = _cells(codes[radius:-radius, radius:-radius])
    offsets = np.arange(len(cells))[:, None] * CODES
    counts = np.bincount((cells + offsets).ravel(), minlength=len(cells) * CODES)
    roots: Floats = np.sqrt(counts / cells.shape[1]).astype(np.float32)
    return roots


def _cells(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut ``[56, 56]`` into 49 cells: ``[49, 64]``."""
    across = PATTERN_SIZE // PATTERN_CELL
    return codes.reshape(across, PATTERN_CELL, across, PATTERN_CELL).swapaxes(1, 2).reshape(across**2, -1)
