"""Shapes to draw with.

Pixels are computed with additions, multiplications, divisions and square roots only. These are exactly rounded everywhere; a
single-precision exponential may differ in its last bits between processors, which would change the bytes of an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.floating[Any]]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How the patient stands in front of the detector.

    Attributes:
        right, down: shift in half image widths.
        zoom: magnification.
        tilt: as a slope.
        shrug, arms: how far the shoulders are lowered and the arms held away, in body coordinates.
    """

    right: float
    down: float
    zoom: float
    tilt: float
    shrug: float
    arms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The body coordinates of every pixel of an image.

    The midline is at x = 0; lungs and diaphragm lie within -0.8..0.8 both ways; y grows downwards.

    Attributes:
        size: height and width of the image in pixels.
        position: how the patient stands.
        x, y: float32 ``[H, W]``.
    """

    size: int
    position: Position
    x: Pixels
    y: Pixels


@lru_cache(maxsize=4)
def pixel_axis(size: int) -> Pixels:
    """Return the centres of a row's pixels in -1..1, float32 ``[size]``."""
    axis = ((2 * np.arange(size) + 1) / size - 1).astype(np.float32)
    axis.setflags(write=False)
    return axis


def place(size: int, position: Position) -> Body:
    """Compute the body coordinates of every pixel."""
    axis = pixel_axis(size)
    right, down = (axis - position.right) / position.zoom, (axis - position.down) / position.zoom
    x = right[None, :] + position.tilt * down[:, None]
    y = down[:, None] - position.tilt * right[None, :]
    return Body(size=size, position=position, x=x, y=y)


def ramp(height: Pixels) -> Pixels:
    """Rise smoothly from 0 to 1 while `height` does."""
    height = np.minimum(np.maximum(height, 0.0), 1.0)
    return height * height * (3.0 - 2.0 * height)


def bump(distance: Pixels) -> Pixels:
    """Fall smoothly from 1 at distance 0 to 0 at distance 1 either way, and stay there."""
    inside = np.maximum(1.0 - distance * distance, 0.0)
    return inside * inside


def ellipse(body: Body, x: float, y: float, width: float, height: float) -> Pixels:
    """Return 1 in the middle of an ellipse, 0 on its edge and less outside."""
    across, down = (body.x - x) / width, (body.y - y) / height
    return 1.0 - across * across - down * down


def texture(body: Body, values: Pixels) -> Pixels:
    """Interpolate a square of values over the body from -1 to 1, smoothly; the tilt is ignored for speed."""
    axis, position = pixel_axis(body.size), body.position
    rows = _blend(values, (axis - position.down) / position.zoom)
    return np.ascontiguousarray(_blend(np.ascontiguousarray(rows.T), (axis - position.right) / position.zoom).T)


def _blend(values: Pixels, places: Pixels) -> Pixels:
    steps = len(values) - 1
    at = np.clip((places + 1.0) * (steps / 2), 0.0, steps - 1e-3)
    before = at.astype(np.int64)
    weight = ramp(at - before.astype(np.float32))[:, None]
    blended: Pixels = values[before] * (1.0 - weight) + values[before + 1] * weight
    return blended


def enlarge(pixels: Pixels, size: int) -> Pixels:
    """Enlarge a square to `size` pixels, with linear interpolation."""
    if len(pixels) == size:
        return pixels
    places = np.clip((np.arange(size, dtype=np.float32) + 0.5) * (len(pixels) / size) - 0.5, 0.0, len(pixels) - 1.001)
    before = places.astype(np.int64)
    weight = (places - before.astype(np.float32))[:, None]
    for _ in range(2):
        pixels = np.ascontiguousarray((pixels[before] * (1.0 - weight) + pixels[before + 1] * weight).T)
    return pixels


def splat(body: Body, x: Numbers, y: Numbers, mass: Numbers) -> Pixels:
    """Add points of matter to an image, each spread over the four nearest pixels.

    Args:
        body: coordinates of the pixels.
        x: ``[n]``, in body coordinates.
        y: ``[n]``, in body coordinates.
        mass: ``[n]``, attenuation times area, so that the look does not depend on the image size.
    """
    position, half = body.position, body.size / 2
    stretch = position.zoom / (1 + position.tilt**2)
    column = (position.right + stretch * (x - position.tilt * y) + 1) * half - 0.5
    row = (position.down + stretch * (y + position.tilt * x) + 1) * half - 0.5
    inside = (column >= 0) & (row >= 0) & (column < body.size - 1) & (row < body.size - 1)
    column, row, mass = column[inside], row[inside], mass[inside] * half * half
    left, top = column.astype(np.int64), row.astype(np.int64)
    column, row = column - left, row - top
    corner = top * body.size + left
    corners = np.concatenate([corner, corner + 1, corner + body.size, corner + body.size + 1])
    shares = [(1 - row) * (1 - column), (1 - row) * column, row * (1 - column), row * column]
    total = np.bincount(corners, np.concatenate([share * mass for share in shares]), minlength=body.size**2)
    return total.reshape(body.size, body.size).astype(np.float32)
