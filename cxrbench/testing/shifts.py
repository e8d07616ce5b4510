"""Checks of shifts: shape and range are kept, strength 0 changes nothing, more strength changes more, the seed decides."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.testing.check import CHECK_SEED, Check
from cxrbench.testing.images import grey_images
from cxrbench.testing.outcome import NotCheckable, require

if TYPE_CHECKING:
    from cxrbench.testing.images import Floats
    from cxrbench.testing.subject import Subject

SHIFTED_COUNT, SHIFTED_SIZE = 8, 96
SHAPE = (SHIFTED_SIZE, SHIFTED_SIZE, 1)
TOLERANCE = 1e-2
"""Of grey levels."""


def built_shift(subject: Subject) -> Any:
    """Return the shift at its mildest strength, built once."""
    return subject.once("built", lambda: _build(subject, subject.part.spec.strengths[0]))


def _build(subject: Subject, strength: float) -> Any:
    return subject.part.build(input_shape=SHAPE, strength=strength, seed=CHECK_SEED)


def _shifted(subject: Subject, strength: float) -> Floats:
    """Build a new shift and return its output for the same images."""
    new = subject.once_or_skip(f"new {strength}", lambda: _build(subject, strength))
    subject.made.pop(f"new {strength}")  # the next one starts from its seed again
    return np.asarray(new(_original_images()), dtype=np.float32)


def _original_images() -> Floats:
    return grey_images(SHIFTED_COUNT, SHIFTED_SIZE)


def _changes(subject: Subject, strength: float) -> Floats:
    """Return by how much each pixel changes; raise NotCheckable if the shape is another, which the check `shape` reports."""
    shifted, original = _shifted(subject, strength), _original_images()
    if shifted.shape != original.shape:
        raise NotCheckable("it changes the shape: see the check shape")
    return np.asarray(np.abs(shifted - original))


def _check_declared(subject: Subject) -> None:
    spec = subject.part.spec
    require(bool(spec.unit.strip()), "it declares no unit")
    ascending = len(spec.strengths) == 3 and 0 < spec.strengths[0] < spec.strengths[1] < spec.strengths[2]
    require(ascending, f"its strengths are {spec.strengths}; expected three, ascending, above 0")
    require(spec.role in {"development", "test"}, f"its role is {spec.role!r}; expected development or test")


def _check_shape(subject: Subject) -> None:
    expected, shape = (SHIFTED_COUNT, *SHAPE), _shifted(subject, subject.part.spec.strengths[2]).shape
    require(shape == expected, f"it turned shape {expected} into {shape}")


def _check_range(subject: Subject) -> None:
    for strength in subject.part.spec.strengths:
        shifted = _shifted(subject, strength)
        require(np.isfinite(shifted).all(), f"at strength {strength:g} its output has infinite or NaN pixels")
        low, high = float(shifted.min()), float(shifted.max())
        inside = low >= -TOLERANCE and high <= 255 + TOLERANCE
        require(inside, f"at strength {strength:g} it turned images in 0..255 into {low:.0f}..{high:.0f}")


def _check_identity(subject: Subject) -> None:
    largest = float(_changes(subject, 0.0).max())
    require(largest < TOLERANCE, f"at strength 0 it changes pixels by up to {largest:.2g}")


def _check_monotone(subject: Subject) -> None:
    changes = [float(_changes(subject, strength).mean()) for strength in subject.part.spec.strengths]
    listed = ", ".join(f"{change:.3g}" for change in changes)
    require(0 < changes[0] < changes[1] < changes[2], f"at its strengths it changes pixels by {listed} grey levels on average")


def _check_seeded(subject: Subject) -> None:
    strength = subject.part.spec.strengths[1]
    first, again = _shifted(subject, strength), _shifted(subject, strength)
    require(np.array_equal(first, again), f"built twice with seed {CHECK_SEED}, it returns different images")


shift_check = partial(Check, kind="shift")

SHIFT_CHECKS = (
    shift_check(
        "declared",
        _check_declared,
        "the board shows a shift with its unit, at three strengths",
        "declare unit, three ascending strengths above 0, and a role",
    ),
    shift_check("shape", _check_shape, "shifted images must fit the same backbone", "crop and resize back, or fill the border"),
    shift_check("pixel-range", _check_range, "backbones scale 0..255 themselves", "clip to 0..255 at the end"),
    shift_check(
        "identity-at-zero",
        _check_identity,
        "the strength is how far images are from what they were",
        "return the images unchanged if strength is 0",
    ),
    shift_check(
        "monotone",
        _check_monotone,
        "a larger strength must be a larger change",
        "declare the strengths from mild to strong, and let the argument strength decide the change",
    ),
    shift_check(
        "seeded",
        _check_seeded,
        "the same command must give the same row, in any process",
        "draw from the argument seed alone: numpy.random.default_rng(seed)",
    ),
)
