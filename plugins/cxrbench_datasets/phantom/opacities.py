"""Draw pneumonia, the only thing that depends on the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench_datasets.phantom.shapes import Body, Numbers, Pixels, pixel_axis, ramp, splat, texture
from cxrbench_datasets.phantom.streams import between, chance

if TYPE_CHECKING:
    from cxrbench_datasets.phantom.chest import Lungs

FAINTEST, DENSEST = 0.05, 0.42
STRANDS = 900
STRAND_POINTS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One consolidation, in body coordinates."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Opacity:
    """One patient's pneumonia.

    Attributes:
        patches: of a focal pneumonia; empty if it is diffuse.
        contrast: attenuation at the densest spot.
        basal: whether a diffuse pneumonia is denser at the bases (1) or around the hila (0).
        coarse, fine: float32 squares of values 0..1, the texture.
        strands: float64 ``[4, STRANDS]``, the fine lines of a diffuse pneumonia: x, y, and extent rightwards and downwards.
    """

    patches: tuple[Patch, ...]
    contrast: float
    basal: float
    coarse: Pixels
    fine: Pixels
    strands: Numbers


def sample_opacity(random: np.random.Generator) -> Opacity:
    """Sample a pneumonia, focal or diffuse with equal probability, from obvious to barely visible."""
    count = 0 if chance(random, 0.5) else int(random.integers(1, 4))
    return Opacity(
        patches=tuple(_sample_patch(random) for _ in range(count)),
        contrast=between(random, FAINTEST, DENSEST),
        basal=random.random(),
        coarse=random.random((13, 13), dtype=np.float32),
        fine=random.random((45, 45), dtype=np.float32),
        strands=random.uniform(-1.0, 1.0, (4, STRANDS)),
    )


def _sample_patch(random: np.random.Generator) -> Patch:
    side = -1.0 if chance(random, 0.5) else 1.0
    return Patch(
        x=side * between(random, 0.28, 0.50),
        y=between(random, -0.40, 0.40),
        width=between(random, 0.17, 0.32),
        height=between(random, 0.18, 0.36),
    )


def draw_opacity(body: Body, lungs: Lungs, opacity: Opacity, change: np.random.Generator) -> Pixels:
    """Draw the pneumonia as attenuation, float32 ``[H, W]``; `change` varies it between images of a patient."""
    contrast = opacity.contrast * between(change, 0.8, 1.2)
    coarse, fine = texture(body, opacity.coarse), texture(body, opacity.fine)
    if opacity.patches:
        shape = _focal(body, opacity, coarse, between(change, 0.9, 1.1)) * (0.3 + 1.05 * fine)
    else:
        shape = _veil(body, opacity, coarse) * (0.6 + _strands(body, opacity, change))
    return contrast * shape * lungs.both * _inner(body)


def _focal(body: Body, opacity: Opacity, coarse: Pixels, growth: float) -> Pixels:
    """Draw the patches with ragged, soft edges."""
    shape = np.zeros_like(body.x)
    for patch in opacity.patches:
        same_side = body.x * patch.x > 0
        across, down = (body.x - patch.x) / (growth * patch.width), (body.y - patch.y) / (growth * patch.height)
        level = 1.0 - across * across - down * down + 1.2 * (coarse - 0.5)
        shape = np.maximum(shape, ramp(level) * same_side)
    return shape


def _veil(body: Body, opacity: Opacity, coarse: Pixels) -> Pixels:
    """Draw a patchy veil over both lungs, denser at the bases or around the hila."""
    low = ramp(0.45 + body.y)
    distance = (np.abs(body.x) - 0.2) ** 2 + body.y * body.y
    central = ramp(1.0 - 1.6 * distance)
    veil: Pixels = (opacity.basal * low + (1.0 - opacity.basal) * central) * (0.35 + 0.6 * coarse)
    return veil


def _strands(body: Body, opacity: Opacity, change: np.random.Generator) -> Pixels:
    """Draw a net of fine lines, like thickened septa; their strength varies between images."""
    x, y, right, down = opacity.strands[:, :, None]
    along = np.linspace(-0.045, 0.045, STRAND_POINTS)[None, :]
    weight = (np.abs(right) + np.abs(down)) * change.uniform(0.4, 1.0, (STRANDS, 1))
    mass = np.broadcast_to(0.0014 / STRAND_POINTS * weight, (STRANDS, STRAND_POINTS))
    return splat(body, (0.75 * x + right * along).ravel(), (0.75 * y + down * along).ravel(), mass.ravel())


def _inner(body: Body) -> Pixels:
    """Return 1 inside the image and 0 in its outer tenth, which must not depend on the label."""
    inner = ramp((0.78 - np.abs(pixel_axis(body.size))) * 16.0)
    return inner[:, None] * inner[None, :]
