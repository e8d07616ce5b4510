"""What differs in positioning: collimation, field of view, angle and centre."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from cxrbench_shifts.exposure import clipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cxrbench_shifts.exposure import Images


def border(*, input_shape: tuple[int, int, int], strength: float, seed: int) -> Callable[[Images], Images]:
    """Return images whose outer `strength` percent on each side are black, as a collimator leaves them."""
    del seed
    rows, columns = (round(side * strength / 100) for side in input_shape[:2])
    inside = np.zeros((*input_shape[:2], 1), dtype=np.float32)
    inside[rows : input_shape[0] - rows, columns : input_shape[1] - columns] = 1
    return lambda images: images * inside


def crop(*, input_shape: tuple[int, int, int], strength: float, seed: int) -> Callable[[Images], Images]:
    """Return images without their outer `strength` percent on each side, enlarged to the same size."""
    del seed
    height, width, _ = input_shape
    scale = 1 - 2 * strength / 100
    return lambda images: _moved(images, [(scale, 0.0, 0.0, 0.0)] * len(images), (height, width)) if strength else images


def rotation(*, input_shape: tuple[int, int, int], strength: float, seed: int) -> Callable[[Images], Images]:
    """Return images turned by `strength` degrees about their centre, to either side, and enlarged until no corner is empty.

    A patient who stands at an angle leaves no black wedges; at 5 degrees the field of view is 8 % smaller.
    """
    generator, size = np.random.default_rng(seed), (input_shape[0], input_shape[1])
    scale = 1 / (np.cos(np.deg2rad(strength)) + np.sin(np.deg2rad(strength)))

    def turn(images: Images) -> Images:
        angles = np.deg2rad(strength) * generator.choice([-1, 1], size=len(images))
        return _moved(images, [(scale, float(angle), 0.0, 0.0) for angle in angles], size) if strength else images

    return turn


def position(*, input_shape: tuple[int, int, int], strength: float, seed: int) -> Callable[[Images], Images]:
    """Return images moved by `strength` percent of their side, in any direction; what comes into view is black."""
    generator, size = np.random.default_rng(seed), (input_shape[0], input_shape[1])

    def move(images: Images) -> Images:
        directions = generator.uniform(0, 2 * np.pi, size=len(images))
        away = [strength / 100 * np.array([np.sin(one) * size[0], np.cos(one) * size[1]]) for one in directions]
        return (
            _moved(images, [(1.0, 0.0, float(rows), float(columns)) for rows, columns in away], size, "constant")
            if strength
            else images
        )

    return move


def _moved(
    images: Images,
    moves: list[tuple[float, float, float, float]],
    size: tuple[int, int],
    outside: Literal["nearest", "constant"] = "nearest",
) -> Images:
    """Return images sampled bilinearly at places that are scaled and turned about the centre and moved, in that order.

    Args:
        images: to sample from.
        moves: scale, angle in radians, rows and columns, of each image.
        size: height and width.
        outside: what stands for places outside of the image: its nearest pixel, or black.
    """
    from scipy.ndimage import affine_transform

    centre = (np.array(size) - 1) / 2

    def move(image: NDArray[np.float32], scale: float, angle: float, rows: float, columns: float) -> NDArray[np.float32]:
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        offset = centre - turn @ centre + np.array([rows, columns])
        return np.asarray(affine_transform(image, turn, offset=offset, order=1, mode=outside), dtype=np.float32)

    moved = [move(image, *how) for image, how in zip(images[..., 0], moves, strict=True)]
    return clipped(np.stack(moved)[..., None])
