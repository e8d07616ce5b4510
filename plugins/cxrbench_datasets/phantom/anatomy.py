"""What differs between patients, independent of the diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench_datasets.phantom.streams import between, chance

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """One patient's chest, in body coordinates; densities as attenuation, where 1 is the densest part of an image.

    Pairs are (patient's right, patient's left), which is left and right in the image.
    """

    torso_width: float
    shoulder_height: float
    neck_width: float
    tissue: float
    lung_centre: float
    lung_width: float
    lung_top: float
    lung_height: float
    lung_lucency: tuple[float, float]
    dome: tuple[float, float]
    dome_curve: float
    medial_edge: float
    heart_x: float
    heart_y: float
    heart_width: float
    heart_height: float
    aorta: float
    abdomen: float
    stomach_air: float
    breast: float
    breast_y: float
    rib_spacing: float
    rib_start: float
    rib_width: float
    rib_arch: float
    rib_density: float
    front_rib_slope: float
    clavicle_y: float
    clavicle_slope: float
    bone: float
    vessels: float


def sample_anatomy(random: np.random.Generator) -> Anatomy:
    """Sample a patient's chest."""
    lucency, dome = between(random, 0.30, 0.42), between(random, 0.40, 0.56)
    return Anatomy(
        torso_width=between(random, 1.00, 1.12),
        shoulder_height=between(random, -1.04, -0.98),
        neck_width=between(random, 0.22, 0.30),
        tissue=between(random, 0.50, 0.60),
        lung_centre=between(random, 0.29, 0.33),
        lung_width=between(random, 0.32, 0.38),
        lung_top=between(random, -0.76, -0.66),
        lung_height=between(random, 0.92, 1.02),
        lung_lucency=(lucency * between(random, 0.92, 1.08), lucency * between(random, 0.92, 1.08)),
        dome=(dome - between(random, 0.0, 0.06), dome + between(random, 0.0, 0.06)),
        dome_curve=between(random, 0.9, 1.7),
        medial_edge=between(random, 0.09, 0.14),
        heart_x=between(random, 0.09, 0.15),
        heart_y=between(random, 0.22, 0.32),
        heart_width=between(random, 0.27, 0.36),
        heart_height=between(random, 0.27, 0.34),
        aorta=between(random, 0.05, 0.09),
        abdomen=between(random, 0.16, 0.24),
        stomach_air=between(random, 0.08, 0.22) if chance(random, 0.6) else 0.0,
        breast=between(random, 0.03, 0.09) if chance(random, 0.5) else 0.0,
        breast_y=between(random, 0.15, 0.40),
        rib_spacing=between(random, 0.135, 0.17),
        rib_start=between(random, 0.0, 1.0),
        rib_width=between(random, 0.27, 0.36),
        rib_arch=between(random, 0.5, 0.9),
        rib_density=between(random, 0.05, 0.09),
        front_rib_slope=between(random, 0.55, 0.85),
        clavicle_y=between(random, -0.60, -0.52),
        clavicle_slope=between(random, 0.12, 0.28),
        bone=between(random, 0.11, 0.17),
        vessels=between(random, 0.6, 1.3),
    )
