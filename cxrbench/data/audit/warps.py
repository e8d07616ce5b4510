"""Small changes of place: matrices that rotate, shift and zoom an image about its centre, and the pixels they show.

A point is (down, across, 1) in units of the image's height and width; the centre is (0, 0, 1) and the corners are at 0.5.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HALF = 0.42
"""Half the side of the compared square. A shift of 5 %, a zoom of 0.9 and a rotation of 5 degrees fill nothing inside it."""
ANGLES = (-4, -2, 2, 4)
"""Degrees. With rotations up to 5 degrees, the nearest is at most 1 degree away."""
SHIFT = 0.033
"""Share of a side. With shifts up to 0.05, the nearest is at most 0.017 away."""
ZOOMS = (0.91, 0.95, 1.05, 1.09)

NUDGE = 0.01
"""By how much a number of an affine warp is changed to see how an image changes with it."""

MIRROR = np.diag([1, -1, 1]).astype(np.float32)
"""Exchanges left and right."""


def square(side: int) -> NDArray[np.float32]:
    """Return ``side * side`` points of the compared square, row by row, float32 ``[3, points]``."""
    steps = np.linspace(-HALF, HALF, side, dtype=np.float32)
    down, across = np.meshgrid(steps, steps, indexing="ij")
    return np.stack([down.ravel(), across.ravel(), np.ones(side * side, dtype=np.float32)])


def tried_warps() -> NDArray[np.float32]:
    """Return warps, one of which is near to any single rotation, shift or zoom; the first changes nothing."""
    shifts = [(SHIFT * down, SHIFT * across) for down, across in product((-1, 0, 1), repeat=2) if down or across]
    warps = [_warp(), *(_warp(degrees=angle) for angle in ANGLES), *(_warp(shift=shift) for shift in shifts)]
    return np.stack([*warps, *(_warp(zoom=zoom) for zoom in ZOOMS)])


def nudges() -> NDArray[np.float32]:
    """Return the warps that increase and that decrease each number of an affine warp, float32 ``[6, 2, 3, 3]``."""
    found = np.tile(np.eye(3, dtype=np.float32), (6, 2, 1, 1))
    for number, (up, down) in enumerate(found):
        up[divmod(number, 3)] += NUDGE
        down[divmod(number, 3)] -= NUDGE
    return found


def places_of(warps: NDArray[np.float32], points: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return the places in pixels, down and across, at which warps put points, float32 ``[..., 2, points]``."""
    return np.asarray((warps[..., :2, :] @ points + 0.5) * side - 0.5, dtype=np.float32)


def sampled(images: NDArray[np.float32], warps: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each image at the points where its warp puts them, between pixels linearly, float32 ``[images, points]``.

    Args:
        images: float32 ``[images, side, side]``.
        warps: float32 ``[images, 3, 3]``.
        points: float32 ``[3, points]``; points outside an image have the value at its edge.
    """
    from scipy.ndimage import map_coordinates

    places = places_of(warps, points, images.shape[-1])
    values = np.empty((len(images), points.shape[1]), dtype=np.float32)
    for image, place, row in zip(images, places, values, strict=True):
        map_coordinates(image, place, output=row, order=1, mode="nearest")
    return values


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors ``[..., values]`` without their mean and of length 1: dot products are correlations; zeros if constant."""
    centred = vectors - vectors.mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-6), dtype=np.float32)


def _warp(*, degrees: float = 0, shift: tuple[float, float] = (0, 0), zoom: float = 1) -> NDArray[np.float32]:
    """Return the warp whose samples show the image rotated, then shifted, and enlarged `zoom` times."""
    cosine, sine = np.cos(np.deg2rad(degrees)) / zoom, np.sin(np.deg2rad(degrees)) / zoom
    warp = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]], dtype=np.float32)
    warp[:, 2] -= warp[:, :2] @ np.array(shift, dtype=np.float32)
    return warp
