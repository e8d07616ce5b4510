"""What the backbones that look at pixels directly share: grey, area reduction, standardisation. Pure NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def grey(images: Floats) -> Floats:
    """Average the colours: ``[B, H, W, 3]`` to ``[B, H, W]``, same range."""
    red, green, blue = np.moveaxis(np.asarray(images, dtype=np.float32), -1, 0)
    shades: Floats = (red + green + blue) / np.float32(3)
    return shades


def shrink(images: Floats, size: int) -> Floats:
    """Resize ``[B, H, W]`` to ``[B, size, size]``; every new pixel is the mean of the area that it covers."""
    _, height, width = images.shape
    return np.asarray(_areas(height, size) @ images @ _areas(width, size).T, dtype=np.float32)


def standardise(features: Floats) -> Floats:
    """Give every row of ``[B, D]`` mean 0 and standard deviation 1; a constant row becomes 0."""
    mean = features.mean(axis=1, keepdims=True)
    deviation = features.std(axis=1, keepdims=True)
    return np.asarray((features - mean) / np.maximum(deviation, 1e-6), dtype=np.float32)


def _areas(length: int, size: int) -> Floats:
    """Return ``[size, length]``: the share of each old pixel in each new one; rows sum to 1."""
    edges = np.arange(size + 1) * (length / size)
    old = np.arange(length)
    overlap = np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old)
    shares: Floats = (np.clip(overlap, 0, None) * (size / length)).astype(np.float32)
    return shares
