"""Describe images by few numbers, so that copies are found among all pairs with matrix products."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.audit.warps import nudges, places_of, square, tried_warps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SIDE = 32
"""Height and width in pixels of the images that are described."""
SAMPLES = 24
"""Points per side that a description covers."""
FREQUENCIES = 8
VALUES = FREQUENCIES**2 - 1
EVEN = FREQUENCIES * (FREQUENCIES // 2) - 1
"""The first values are the same for an image and its mirror image; the others have the opposite sign."""
RIDGE = 3e-3
"""Added to the variances before whitening: what few images have in common says little about others."""
AT_ONCE = 2048
"""Images that are described together; bounds the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Describer:
    """Describes images as they look under some warps.

    Attributes:
        maps: from an image's pixels to its description under each warp, float32 ``[warps, VALUES, SIDE ** 2]``.
        weights: what these maps owe to the images that are known, float32 ``[VALUES, VALUES]``.
    """

    maps: NDArray[np.float32]
    weights: NDArray[np.float32]

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return descriptions of length 1, float32 ``[warps, rows, VALUES]``, of images ``[rows, SIDE, SIDE]``."""
        product = images.reshape(len(images), SIDE * SIDE) @ self.maps.reshape(-1, SIDE * SIDE).T
        vectors = np.ascontiguousarray(product.reshape(len(images), len(self.maps), VALUES).swapaxes(0, 1))
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6), dtype=np.float32)

    def unwarped(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return descriptions under the first warp, float32 ``[rows, VALUES]``, of images ``[rows, 2 SIDE, 2 SIDE]``."""
        first = self.first(1)
        blocks = [first(halved(images[start : start + AT_ONCE]))[0] for start in range(0, len(images), AT_ONCE)]
        return np.concatenate(blocks) if blocks else np.zeros((0, VALUES), dtype=np.float32)

    def first(self, warps: int) -> Describer:
        """Return a describer with the first warps only."""
        return Describer(maps=self.maps[:warps], weights=self.weights)

    def spans(self, images: NDArray[np.float32], warp: int) -> NDArray[np.float32]:
        """Return what images look like near a warp: orthonormal bases of their descriptions, float32 ``[rows, VALUES, 7]``.

        A basis spans the description under the warp and its derivatives with respect to the six numbers of an affine warp.
        """
        flat = images.reshape(len(images), SIDE * SIDE)
        slopes = (flat @ _slopes()[warp].reshape(-1, SIDE * SIDE).T).reshape(len(flat), -1, VALUES) @ self.weights.T
        vectors = np.concatenate([(flat @ self.maps[warp].T)[:, None], slopes], axis=1)
        return np.asarray(np.linalg.qr(vectors.swapaxes(1, 2))[0], dtype=np.float32)


def describer_of(known: Sequence[NDArray[np.uint8]]) -> Describer:
    """Return a describer under all tried warps for which images that are known look as different as they can.

    All chest X-rays are alike in a few ways, which then count less: descriptions are multiplied by the fourth root of the
    inverse of their second moments, half of what whitening would do. Inversion and mirroring still change only signs.

    Args:
        known: thumbnails of each dataset, uint8 ``[rows, 2 SIDE, 2 SIDE]``.
    """
    plain = Describer(maps=_plain_maps(), weights=np.eye(VALUES, dtype=np.float32))
    vectors = np.concatenate([plain.unwarped(images) for images in known])
    moments = vectors.T @ vectors / max(len(vectors), 1)
    moments[:EVEN, EVEN:] = moments[EVEN:, :EVEN] = 0  # as if every image were there with its mirror image
    variances, axes = np.linalg.eigh(moments)
    weights = (axes * (variances.clip(0) + RIDGE) ** -0.25) @ axes.T
    return Describer(maps=np.asarray(weights @ plain.maps, dtype=np.float32), weights=weights.astype(np.float32))


@lru_cache(maxsize=1)
def _plain_maps() -> NDArray[np.float32]:
    waves = _waves()
    return np.stack([waves @ _interpolation(warp) for warp in tried_warps()])


@lru_cache(maxsize=1)
def _slopes() -> NDArray[np.float32]:
    """Return how plain descriptions change with each number of a warp, float32 ``[warps, 6, VALUES, SIDE ** 2]``."""
    waves, steps = _waves(), nudges()

    def slope(warp: NDArray[np.float32], number: int) -> NDArray[np.float32]:
        up, down = (_interpolation(warp @ step) for step in steps[number])
        return np.asarray(waves @ (up - down))

    return np.stack([[slope(warp, number) for number in range(len(steps))] for warp in tried_warps()])


def halved(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return images of half the height and width, float32 ``[rows, SIDE, SIDE]``."""
    return np.asarray(images.reshape(len(images), SIDE, 2, SIDE, 2).mean(axis=(2, 4), dtype=np.float32))


def _interpolation(warp: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the matrix from an image's pixels to its linearly interpolated samples, float32 ``[points, SIDE ** 2]``."""
    places = places_of(warp, square(SAMPLES), SIDE).clip(0, SIDE - 1)
    down, across = np.maximum(1 - np.abs(places[:, :, None] - np.arange(SIDE)), 0)
    return np.asarray((down[:, :, None] * across[:, None, :]).reshape(len(down), SIDE * SIDE), dtype=np.float32)


def _waves() -> NDArray[np.float32]:
    """Return windowed cosine waves, float32 ``[VALUES, SAMPLES ** 2]``: those even from left to right, then the odd ones.

    All have mean 0; higher ones are stronger, because images have less of them.
    """
    from scipy.fft import dct

    window = np.sqrt(np.hanning(SAMPLES + 2)[1:-1])
    wave = dct(np.eye(SAMPLES), axis=0, norm="ortho")[:FREQUENCIES] * window
    down, across = np.indices((FREQUENCIES, FREQUENCIES)).reshape(2, -1)
    order = np.lexsort((down, across, across % 2))[1:]  # without the constant wave
    down, across = down[order], across[order]
    waves = (wave[down, :, None] * wave[across, None, :]).reshape(len(order), -1) * np.hypot(down, across)[:, None]
    return np.asarray(waves - waves.mean(axis=1, keepdims=True), dtype=np.float32)
