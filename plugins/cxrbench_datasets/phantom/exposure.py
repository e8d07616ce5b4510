"""What differs between images of the same patient: position, exposure, collimation, marker and grain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cxrbench_datasets.phantom.shapes import Pixels, Position, enlarge, pixel_axis, ramp
from cxrbench_datasets.phantom.streams import between, chance

if TYPE_CHECKING:
    from numpy.typing import NDArray

LETTERS = {
    "L": ("1000", "1000", "1000", "1000", "1000", "1000", "1111"),
    "R": ("1110", "1001", "1001", "1110", "1100", "1010", "1001"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How one image was taken.

    Attributes:
        fog: grey where nothing attenuates, 0..255.
        gain: grey per unit of attenuation.
        bend: curvature of the detector's response.
        vignette: loss of exposure towards the corners.
        heel: decrease of the exposure across the image: rightwards, downwards.
        blur: standard deviation in image widths.
        grain: standard deviation in greys.
        margins: collimated width at left, right, top, bottom, in half image widths.
        marker: the letter in the image, if any, on the side that it names.
        marker_at: distance of the marker from the side and from the top, in image widths.
    """

    fog: float
    gain: float
    bend: float
    vignette: float
    heel: tuple[float, float]
    blur: float
    grain: float
    margins: tuple[float, float, float, float]
    marker: Literal["", "L", "R"]
    marker_at: tuple[float, float]


def sample_position(random: np.random.Generator) -> Position:
    """Sample how the patient stands."""
    return Position(
        right=between(random, -0.06, 0.06),
        down=between(random, -0.05, 0.07),
        zoom=between(random, 0.95, 1.13),
        tilt=between(random, -0.05, 0.05),
        shrug=between(random, -0.08, 0.08),
        arms=between(random, -0.10, 0.10),
    )


def sample_exposure(random: np.random.Generator) -> Exposure:
    """Sample how the image is taken."""
    letters: tuple[Literal["", "L", "R"], ...] = ("", "L", "R")
    return Exposure(
        fog=between(random, 0.0, 30.0),
        gain=between(random, 190.0, 300.0),
        bend=between(random, -0.5, 0.5),
        vignette=between(random, 0.0, 0.12),
        heel=(between(random, -0.05, 0.05), between(random, -0.06, 0.06)),
        blur=between(random, 0.45, 1.0) / 224,
        grain=between(random, 1.5, 4.5),
        margins=(_margin(random), _margin(random), _margin(random), _margin(random)),
        marker=letters[int(random.integers(3))],
        marker_at=(between(random, 0.05, 0.11), between(random, 0.04, 0.14)),
    )


def _margin(random: np.random.Generator) -> float:
    """Sample how far the beam is collimated on one side; most sides are open."""
    return between(random, 0.01, 0.10) if chance(random, 0.4) else -1.0


def render(attenuation: Pixels, size: int, exposure: Exposure, grain: np.random.Generator) -> NDArray[np.uint8]:
    """Turn attenuation into an image, uint8 ``[size, size]``.

    Every pixel is mapped alone: normalising over the whole image would let an opacity change the border.
    """
    from scipy.ndimage import gaussian_filter

    sharp = np.clip(attenuation, 0.0, 1.2)
    light = enlarge(gaussian_filter(sharp, exposure.blur * len(sharp), truncate=3.0, mode="nearest"), size)
    light = light + exposure.bend * light * (1.0 - light)
    image = (exposure.fog + exposure.gain * light) * _beam(size, exposure)
    image = np.maximum(image, _marker(size, exposure)) + exposure.grain * _grain(size, grain)
    rounded: NDArray[np.uint8] = (np.minimum(np.maximum(image, 0.0), 255.0) + 0.5).astype(np.uint8)
    return rounded


def _beam(size: int, exposure: Exposure) -> Pixels:
    """Draw the intensity of the beam: vignette, heel effect and collimation."""
    axis = pixel_axis(size)
    left, right, top, bottom = (1.0 - margin for margin in exposure.margins)
    squared = axis * axis
    columns = ramp((left + axis) * 40.0) * ramp((right - axis) * 40.0)
    rows = ramp((top + axis) * 40.0) * ramp((bottom - axis) * 40.0)
    heel = exposure.heel[0] * axis[None, :] + exposure.heel[1] * axis[:, None]
    even = 1.0 - exposure.vignette * (squared[None, :] + squared[:, None]) + heel
    return even * (columns[None, :] * rows[:, None])


def _marker(size: int, exposure: Exposure) -> Pixels:
    """Draw the marker letter on the side of the patient that it names."""
    image = np.zeros((size, size), np.float32)
    if not exposure.marker:
        return image
    scale = max(1, round(size / 112))
    letter = np.array([[int(dot) for dot in row] for row in LETTERS[exposure.marker]], np.float32)
    letter = 235.0 * letter.repeat(scale, axis=0).repeat(scale, axis=1)
    height, width = letter.shape
    aside, top = (round(place * size) for place in exposure.marker_at)
    left = aside if exposure.marker == "R" else size - aside - width
    image[top : top + height, left : left + width] = letter
    return image


def _grain(size: int, random: np.random.Generator) -> Pixels:
    """Draw noise of variance 1 that is correlated between neighbouring pixels."""
    dots = random.random((size + 1, size + 1), dtype=np.float32) - 0.5
    return 2.6 * dots[1:, 1:] + 1.6 * (dots[:-1, 1:] + dots[1:, :-1])
