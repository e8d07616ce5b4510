"""Independent random streams: draws for one purpose never shift those for another."""

from __future__ import annotations

from typing import Literal

import numpy as np

Purpose = Literal["patients", "anatomy", "vessels", "opacity", "change", "position", "exposure", "grain"]


def stream(seed: int, purpose: Purpose, *numbers: int) -> np.random.Generator:
    """Return the random generator of a purpose, a patient and an image."""
    return np.random.default_rng([seed, *purpose.encode(), *numbers])


def between(random: np.random.Generator, low: float, high: float) -> float:
    """Draw a number uniformly from ``low..high``."""
    return low + (high - low) * random.random()


def chance(random: np.random.Generator, probability: float) -> bool:
    """Return True with a probability."""
    return random.random() < probability
