"""Drawn test films: smooth shapes with grain over the whole range, without any dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

COARSE = 9


def patterns(count: int, size: int, seed: int = 0) -> Floats:
    """Return float32 ``[count, size, size, 1]`` in 0..1, each film reaching both ends: shades, edges and grain."""
    generator = np.random.default_rng(seed)
    smooth = _enlarged(generator.random((count, COARSE, COARSE)), size)
    edges = generator.integers(0, 2, (count, COARSE, COARSE)).repeat(-(-size // COARSE), axis=1)
    edges = edges.repeat(-(-size // COARSE), axis=2)[:, :size, :size]
    film = smooth + 0.3 * edges + 0.1 * generator.random((count, size, size))
    low, high = film.min(axis=(1, 2), keepdims=True), film.max(axis=(1, 2), keepdims=True)
    return np.asarray(((film - low) / (high - low))[..., None], dtype=np.float32)


def films(count: int, size: int, seed: int = 0) -> Floats:
    """Return whole grey levels, float32 ``[count, size, size, 1]`` in 0..255."""
    return np.rint(255 * patterns(count, size, seed))


def _enlarged(coarse: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Interpolate ``[n, c, c]`` linearly to ``[n, size, size]``."""
    places = np.linspace(0, coarse.shape[1] - 1, size)
    low = np.minimum(places.astype(np.int64), coarse.shape[1] - 2)
    share = places - low
    rows = coarse[:, low] * (1 - share)[:, None] + coarse[:, low + 1] * share[:, None]
    enlarged: NDArray[np.float64] = rows[:, :, low] * (1 - share) + rows[:, :, low + 1] * share
    return enlarged
