"""Draw soft tissue: body outline, lungs, heart, mediastinum and abdomen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench_datasets.phantom.shapes import Body, Pixels, bump, ellipse, ramp

if TYPE_CHECKING:
    from cxrbench_datasets.phantom.anatomy import Anatomy


@dataclass(frozen=True, slots=True, kw_only=True)
class Lungs:
    """How much of every pixel is lung, 0..1, float32 ``[H, W]`` each.

    Attributes:
        right: the patient's right lung, on the left of the image, without what the heart hides.
        left: the patient's left lung.
        above: 1 above the diaphragm, 0 below it.
        depth: thickness of the lung.
    """

    right: Pixels
    left: Pixels
    above: Pixels
    depth: Pixels

    @property
    def both(self) -> Pixels:
        """Add the two lungs."""
        return self.right + self.left


def outline_lungs(body: Body, anatomy: Anatomy) -> Lungs:
    """Draw where the lungs are: half ellipses, cut off by the mediastinum and by the domes of the diaphragm."""
    lateral = np.abs(body.x)
    across = (lateral - anatomy.lung_centre) / anatomy.lung_width
    down = (body.y - anatomy.lung_top - anatomy.lung_height) / anatomy.lung_height
    depth = np.maximum(1.0 - across * across - down * down, 0.0)
    from_peak = lateral - anatomy.lung_centre
    domes = np.where(body.x < 0, np.float32(anatomy.dome[0]), np.float32(anatomy.dome[1]))
    above = ramp((domes + anatomy.dome_curve * from_peak * from_peak - body.y) * 40.0)
    upper = np.maximum(-0.25 - body.y, 0.0)
    vein = 0.05 * bump((body.y + 0.42) * 2.6) * (body.x < 0)
    medial = ramp((lateral - anatomy.medial_edge - vein + 0.09 * upper) * 22.0)
    lung = ramp(depth * 9.0) * above * medial * (1.0 - 0.75 * draw_heart(body, anatomy))
    right = lung * (body.x < 0)
    return Lungs(right=right, left=lung - right, above=above, depth=depth)


def draw_torso(body: Body, anatomy: Anatomy) -> Pixels:
    """Draw neck, shoulders and trunk, thicker towards the middle."""
    lateral = np.abs(body.x)
    from_neck = np.maximum(lateral - anatomy.neck_width, 0.0)
    slope = anatomy.shoulder_height + body.position.shrug + 0.55 * from_neck / (from_neck + 0.35)
    width = anatomy.torso_width + body.position.arms
    outline = ramp((body.y - slope) * 7.0) * ramp((width - 0.05 * body.y - lateral) * 6.0)
    neck = 0.8 * ramp((anatomy.neck_width + 0.05 - lateral) * 6.0)
    torso: Pixels = np.maximum(outline, neck) * (anatomy.tissue - 0.12 * lateral * lateral)
    return torso


def draw_heart(body: Body, anatomy: Anatomy) -> Pixels:
    """Draw the silhouette of heart, aortic arch and great vessels, 0..1."""
    slanted_y = body.y - 0.25 * (body.x - anatomy.heart_x)
    across = (body.x - anatomy.heart_x) / anatomy.heart_width
    down = (slanted_y - anatomy.heart_y) / anatomy.heart_height
    heart = ramp((1.0 - across * across - down * down) * 4.0)
    arch = ramp(ellipse(body, 0.10, -0.30, anatomy.aorta + 0.04, 0.10) * 2.5)
    column = ramp((0.13 + 0.03 * body.y - np.abs(body.x - 0.01)) * 25.0)
    return np.maximum(np.maximum(heart, arch), column)


def draw_chest(body: Body, anatomy: Anatomy, lungs: Lungs) -> Pixels:
    """Draw all soft tissue as attenuation, float32 ``[H, W]``."""
    heart = draw_heart(body, anatomy)
    air = anatomy.lung_lucency[0] * lungs.right + anatomy.lung_lucency[1] * lungs.left
    seen = air * (0.74 + 0.3 * lungs.depth)
    below = anatomy.abdomen * (1.0 - lungs.above) * bump(body.x * 0.8)
    middle = bump(body.x * 3.6) * (0.16 + 0.05 * body.y) + 0.07 * heart * lungs.above
    windpipe = 0.11 * bump(body.x * 16.0) * ramp((-0.22 - body.y) * 8.0)
    tissue = draw_torso(body, anatomy) * (1.0 + below + middle) + _breasts(body, anatomy)
    chest: Pixels = tissue - seen - windpipe - _stomach(body, anatomy)
    return chest


def _stomach(body: Body, anatomy: Anatomy) -> Pixels:
    """Draw the bubble of air under the patient's left dome."""
    bubble = ellipse(body, 0.30, anatomy.dome[1] + 0.17, 0.17, 0.10)
    return anatomy.stomach_air * ramp(bubble * 2.0)


def _breasts(body: Body, anatomy: Anatomy) -> Pixels:
    """Draw the soft shadows that make healthy lung bases look hazy in half of the patients."""
    across, down = (np.abs(body.x) - 0.45) / 0.34, (body.y - anatomy.breast_y) / 0.30
    return anatomy.breast * ramp((1.0 - across * across - down * down) * 1.6)
