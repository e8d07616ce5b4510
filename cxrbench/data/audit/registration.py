"""Put one image on another, and tell whether both are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.audit.warps import sampled, square, unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUGH_POINTS, POINTS = 27, 54
"""Points per side that are compared, at first on images of half the size: one per pixel, as fewer would miss edges."""
ROUGH_STEPS, STEPS = 3, 5
LONGEST_STEP = 0.05
FARTHEST = 0.25
"""Most that a number of the affine warp may differ from that of the warp that changes nothing."""
ROUGHLY_REGISTERED = 0.965
"""Least correlation after the rough steps; all of 1,286 copies among drawn and real images reach 0.973. Four in
ten different images that are put on each other reach it."""
PROMISING, PROMISING_DETAIL = 0.975, 0.8
"""Least correlation of the images and of their details after one step in full. Those copies all reach 0.983 and 0.847."""
FINE, MIDDLE = (0.0, 1.0), (1.0, 2.0)
"""Details: what the second blur takes from an image and the first leaves, in pixels."""
REGISTERED = 0.985
"""Least correlation of copies once one is put on the other. The nearest different images of Kermany et al. reach 0.977. Of
5,400 copies that were mirrored, rotated, shifted or zoomed, all reach 0.988, also those that were re-encoded (JPEG at quality
30), brightened (gamma 0.7 or 1.4), inverted, noisy or halved."""
DETAIL = 0.9
"""Least correlation of their details: what a blur takes away. The nearest different images reach 0.76, two drawn exposures of
one chest 0.895, and 99 % of each kind of those copies 0.916."""

NEAR_DETAIL = 0.94
"""Least correlation of the middle details of near-duplicates: of what a blur of 2 pixels takes and one of 1 pixel leaves. Of
969 pairs of different drawn images whose thumbnails correlate by 0.96 or more, two reach it. Of 500 real images, all but one do
after JPEG at quality 10, noise (12 grey levels), at half the size, gamma 0.7 or 1.4 or rotation by one degree, 96 % after JPEG
at quality 10 at half the size, and 87 % if they were 28 pixels wide."""


def same_images(images: NDArray[np.float32], templates: NDArray[np.float32], warps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put each image on its template; return the correlation of both, float32 ``[images]``, or 0 where they differ.

    Args:
        images: float32 ``[images, side, side]``.
        templates: of the same shape.
        warps: about where the image must be sampled to show its template, float32 ``[images, 3, 3]``.
    """
    warps, reached = _registered(_halved(images), _halved(templates), warps, (ROUGH_POINTS, ROUGH_STEPS))
    kept = np.flatnonzero(reached >= ROUGHLY_REGISTERED)
    for steps, least, detail in ((1, PROMISING, PROMISING_DETAIL), (STEPS - 1, REGISTERED, DETAIL)):
        warps[kept], reached[kept] = _registered(images[kept], templates[kept], warps[kept], (POINTS, steps))
        kept = kept[reached[kept] >= least]
        kept = kept[_correlations_of_details(images[kept], templates[kept], warps[kept], FINE) >= detail]
    near = np.abs(warps[kept] - _unmoved(len(kept))).max(axis=(1, 2), initial=0) <= FARTHEST
    correlation = np.zeros(len(images), dtype=np.float32)
    correlation[kept[near]] = reached[kept[near]]
    return correlation


def alike_in_detail(images: NDArray[np.float32], templates: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return whether the middle details of images and templates agree, as they are or after registration, bool ``[images]``.

    What is fine may be lost in a copy, and what is coarse is the same in all chest X-rays.

    Args:
        images: float32 ``[images, side, side]``.
        templates: of the same shape.
    """
    unmoved = _unmoved(len(images))
    alike = _correlations_of_details(images, templates, unmoved, MIDDLE) >= NEAR_DETAIL
    rest = np.flatnonzero(~alike)
    warps, _ = _registered(_halved(images[rest]), _halved(templates[rest]), unmoved[rest], (ROUGH_POINTS, ROUGH_STEPS))
    warps, _ = _registered(images[rest], templates[rest], warps, (POINTS, STEPS))
    alike[rest] = _correlations_of_details(images[rest], templates[rest], warps, MIDDLE) >= NEAR_DETAIL
    return alike


def _registered(
    images: NDArray[np.float32], templates: NDArray[np.float32], warps: NDArray[np.float32], effort: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the affine warps after some steps, float32 ``[images, 3, 3]``, and the correlations that they reach.

    Source: the inverse compositional algorithm of Baker and Matthews, Lucas-Kanade 20 years on (IJCV 2004), section 3.2, on
    standardised grey levels of either sign, so that neither brightness, contrast nor inversion matters.

    `effort` is the number of points per side and of steps.
    """
    points = square(effort[0])
    target = unit(sampled(templates, _unmoved(len(templates)), points))
    slopes = _slopes(target, points)
    curvature = slopes @ slopes.swapaxes(1, 2)
    scale = np.trace(curvature, axis1=1, axis2=2)[:, None, None] + 1e-3
    curvature += 1e-5 * scale * np.eye(6, dtype=np.float32)  # an image may have edges in one direction only
    for _ in range(effort[1]):
        shown = unit(sampled(images, warps, points))
        sign = np.where((shown * target).sum(axis=1, keepdims=True) < 0, -1, 1)
        step = np.linalg.solve(curvature, slopes @ (shown * sign - target)[:, :, None])
        change = _unmoved(len(warps))
        change[:, :2] += step.reshape(len(step), 2, 3).clip(-LONGEST_STEP, LONGEST_STEP)
        warps = np.asarray(warps @ np.linalg.inv(change), dtype=np.float32)
    return warps, np.abs((unit(sampled(images, warps, points)) * target).sum(axis=1))


def _slopes(target: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how the target changes with each number of an affine warp, float32 ``[images, 6, points]``."""
    side = round(target.shape[1] ** 0.5)
    grid, spacing = target.reshape(len(target), side, side), float(points[1, 1] - points[1, 0])
    down_and_across = [np.asarray(np.gradient(grid, spacing, axis=axis)) for axis in (1, 2)]
    slopes = np.stack([slope.reshape(target.shape) * point for slope in down_and_across for point in points], axis=1)
    return np.asarray(slopes - slopes.mean(axis=2, keepdims=True), dtype=np.float32)


def _correlations_of_details(
    images: NDArray[np.float32], templates: NDArray[np.float32], warps: NDArray[np.float32], blurs: tuple[float, float]
) -> NDArray[np.float32]:
    """Return the correlation of the details of images and templates, float32 ``[images]``; inverted ones count as equal."""
    products = _details(images, warps, blurs) * _details(templates, _unmoved(len(warps)), blurs)
    return np.asarray(np.abs(products.sum(axis=1)))


def _details(images: NDArray[np.float32], warps: NDArray[np.float32], blurs: tuple[float, float]) -> NDArray[np.float32]:
    """Return what the second blur takes of images and the first leaves, as unit vectors, float32 ``[images, points]``."""
    from scipy.ndimage import gaussian_filter

    shown = sampled(images, warps, square(POINTS)).reshape(len(images), POINTS, POINTS)
    kept, left = (gaussian_filter(shown, sigma=(0, blur, blur)) for blur in blurs)
    return unit((kept - left).reshape(len(images), POINTS**2))


def _halved(images: NDArray[np.float32]) -> NDArray[np.float32]:
    number, half = len(images), images.shape[-1] // 2
    return np.asarray(images.reshape(number, half, 2, half, 2).mean(axis=(2, 4)), dtype=np.float32)


def _unmoved(number: int) -> NDArray[np.float32]:
    return np.tile(np.eye(3, dtype=np.float32), (number, 1, 1))
