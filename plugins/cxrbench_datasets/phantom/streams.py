"""Independent random streams, so that what one part draws never shifts what another part gets."""

from __future__ import annotations

from typing import Literal

import numpy as np

Purpose = Literal["patients", "anatomy", "vessels", "opacity", "change", "position", "exposure", "grain"]


def stream(seed: int, purpose: Purpose, *numbers: int) -> np.random.Generator:
    """Return the random numbers that belong to a purpose, a patient and a film."""
    return np.random.default_rng([seed, *purpose.encode(), *numbers])


def between(random: np.random.Generator, low: float, high: float) -> float:
    """Draw one number evenly from ``low..high``."""
    return low + (high - low) * random.random()


def chance(random: np.random.Generator, probability: float) -> bool:
    """Draw whether something happens."""
    return random.random() < probability
