"""Draw bones: ribs, clavicles, spine and shoulder blades."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench_datasets.phantom.shapes import Body, Pixels, bump, ramp

if TYPE_CHECKING:
    from cxrbench_datasets.phantom.anatomy import Anatomy


def draw_bones(body: Body, anatomy: Anatomy) -> Pixels:
    """Draw all bones as attenuation on top of the soft tissue, float32 ``[H, W]``."""
    lateral = np.abs(body.x)
    return (
        anatomy.rib_density * _ribs(body, anatomy, lateral)
        + anatomy.bone * (_clavicles(body, anatomy, lateral) + 0.3 * _shoulder_blades(body, lateral))
        + 0.05 * _spine(body, anatomy, lateral)
    )


def _ribs(body: Body, anatomy: Anatomy, lateral: Pixels) -> Pixels:
    """Draw the posterior ribs as arches, and the fainter anterior ribs sloping down to the middle."""
    across = (lateral - 0.20) / (anatomy.lung_width + anatomy.lung_centre - 0.16)
    down = (body.y - 0.20) / 1.02
    cage = ramp((1.0 - across * across - down * down) * 6.0) * (1.0 - 0.75 * ramp((body.y - 0.40) * 4.0))
    from_peak = lateral - 0.10
    back = _bands(body.y - anatomy.rib_arch * from_peak * (0.25 + from_peak), anatomy)
    front = _bands(body.y + anatomy.front_rib_slope * lateral * (0.7 + 0.5 * lateral) + 0.05, anatomy)
    return cage * (back * ramp((lateral - 0.04) * 14.0) + 0.55 * front * ramp((lateral - 0.22) * 5.0))


def _bands(height: Pixels, anatomy: Anatomy) -> Pixels:
    """Draw parallel bands with brighter rims; the lower ones are further apart."""
    step = height * (1.0 - 0.12 * height) / anatomy.rib_spacing + anatomy.rib_start
    offset = (step - np.floor(step) - 0.5) / anatomy.rib_width
    squared = offset * offset
    return np.sqrt(np.maximum(1.0 - squared * squared, 0.0)) * (0.65 + 0.5 * squared)


def _clavicles(body: Body, anatomy: Anatomy, lateral: Pixels) -> Pixels:
    bow = lateral - 0.35
    height = anatomy.clavicle_y - anatomy.clavicle_slope * (lateral - 0.1) + 0.22 * bow * bow
    offset = (body.y - height) / 0.042
    ends = ramp((lateral - 0.07) * 25.0) * ramp((0.80 - lateral) * 8.0)
    return np.sqrt(np.maximum(1.0 - offset * offset, 0.0)) * ends


def _spine(body: Body, anatomy: Anatomy, lateral: Pixels) -> Pixels:
    """Draw the column of vertebrae with the gaps between them."""
    step = body.y / anatomy.rib_spacing + anatomy.rib_start
    gap = bump((step - np.floor(step) - 0.5) * 4.0)
    return ramp((0.085 - lateral) * 40.0) * (1.0 - 0.6 * gap)


def _shoulder_blades(body: Body, lateral: Pixels) -> Pixels:
    """Draw the inner rims of the shoulder blades and the heads of the upper arms."""
    rim = bump((lateral - 0.60 - 0.16 * (body.y + 0.45)) / 0.06) * bump((body.y + 0.32) / 0.36)
    across, down = (lateral - 0.93) / 0.15, (body.y + 0.62) / 0.15
    return rim + 1.4 * ramp((1.0 - across * across - down * down) * 4.0)
