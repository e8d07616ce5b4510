"""Draw the vessels of the lungs: a hilum on each side, stems from it and twigs from the stems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench_datasets.phantom.shapes import Body, Numbers, Pixels, ellipse, ramp, splat

if TYPE_CHECKING:
    from cxrbench_datasets.phantom.anatomy import Anatomy

STEMS, TWIGS, POINTS = 12, 44, 36
DENSITY = 0.0016


def draw_vessels(body: Body, anatomy: Anatomy, random: np.random.Generator) -> Pixels:
    """Draw hila and vessels as attenuation, float32 ``[H, W]``, also outside the lungs."""
    sides = [_tree(random, side) for side in (-1.0, 1.0)]
    x, y, mass = (np.concatenate(parts) for parts in zip(*sides, strict=True))
    hila = ramp(ellipse(body, -0.19, 0.0, 0.10, 0.17)) + ramp(ellipse(body, 0.20, -0.04, 0.09, 0.15))
    return anatomy.vessels * (splat(body, x, y, mass) + 0.07 * hila)


def _tree(random: np.random.Generator, side: float) -> tuple[Numbers, Numbers, Numbers]:
    """Return x, y and mass of the points of one lung's vessels."""
    start_x = 0.17 + random.uniform(-0.03, 0.03, STEMS)
    start_y = random.uniform(-0.10, 0.10, STEMS)
    goal_x = random.uniform(0.06, 0.42, STEMS)
    goal_y = np.linspace(-0.55, 0.45, STEMS) + random.uniform(-0.06, 0.06, STEMS) - start_y
    stems = _curves(random, (start_x, start_y), (goal_x, goal_y), random.uniform(0.8, 1.5, STEMS))
    stem, point = random.integers(STEMS, size=TWIGS), random.integers(POINTS // 6, POINTS - 4, TWIGS)
    left = 1.0 - point / POINTS
    fork = stems[0][stem, point], stems[1][stem, point]
    turn = random.uniform(-0.7, 0.7, TWIGS)
    twig = left * (goal_x[stem] - turn * goal_y[stem]), left * (goal_y[stem] + turn * goal_x[stem])
    twigs = _curves(random, fork, twig, random.uniform(0.3, 0.8, TWIGS))
    x, y, mass = (np.concatenate([of_stem.ravel(), of_twig.ravel()]) for of_stem, of_twig in zip(stems, twigs, strict=True))
    return side * x, y, mass


def _curves(
    random: np.random.Generator, start: tuple[Numbers, Numbers], run: tuple[Numbers, Numbers], thickness: Numbers
) -> tuple[Numbers, Numbers, Numbers]:
    """Return x, y and mass of the points of curved, tapering lines, ``[lines, POINTS]`` each."""
    along = np.linspace(0.0, 1.0, POINTS)[None, :]
    bend = random.uniform(-0.5, 0.5, (len(thickness), 1)) * along * (1.0 - along)
    (x, y), (across, down) = (start[0][:, None], start[1][:, None]), (run[0][:, None], run[1][:, None])
    length = np.sqrt(across * across + down * down)
    mass = DENSITY * thickness[:, None] * length * (1.0 - 0.8 * along) / POINTS
    return x + across * along - down * bend, y + down * along + across * bend, mass
