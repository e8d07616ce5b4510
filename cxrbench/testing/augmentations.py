"""Checks of augmentations: shape and range are kept, inference is the identity, and the seed decides the draws."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.models.features.extraction import as_augmentation
from cxrbench.testing.check import CHECK_SEED, Check
from cxrbench.testing.images import grey_images
from cxrbench.testing.outcome import NotCheckable, require

if TYPE_CHECKING:
    from cxrbench.testing.images import Floats
    from cxrbench.testing.subject import Subject

AUGMENTED_COUNT, AUGMENTED_SIZE = 8, 48
AUGMENTED_SHAPE = (AUGMENTED_SIZE, AUGMENTED_SIZE, 1)
OTHER_SEED = 11
OVERSHOOT = 64
"""How far noise and brightness may leave 0..255; the harness clips it."""
CONTRAST_SHARE = 0.05


def built_augmentation(subject: Subject) -> Any:
    """Return the augmentation, built once."""
    return subject.once("built", lambda: _build_augmentation(subject, CHECK_SEED))


def _build_augmentation(subject: Subject, seed: int) -> Any:
    return subject.part.build(input_shape=AUGMENTED_SHAPE, seed=seed)


def _augment(subject: Subject, seed: int, calls: int = 1) -> list[Floats]:
    """Build a new augmentation and return its output for the same images, once per call."""
    new = subject.once_or_skip(f"new {seed}", lambda: _build_augmentation(subject, seed))
    augment = as_augmentation(new, (AUGMENTED_COUNT, *AUGMENTED_SHAPE))
    subject.made.pop(f"new {seed}")  # the next one starts from its seed again
    return [np.asarray(augment(_original_images()), dtype=np.float32) for _ in range(calls)]


def _original_images() -> Floats:
    return grey_images(AUGMENTED_COUNT, AUGMENTED_SIZE)


def _augmented_twice(subject: Subject) -> list[Floats]:
    return subject.once("augmented", lambda: _augment(subject, CHECK_SEED, calls=2))


def _check_shape(subject: Subject) -> None:
    expected, shape = (AUGMENTED_COUNT, *AUGMENTED_SHAPE), _augmented_twice(subject)[0].shape
    require(shape == expected, f"it turned shape {expected} into {shape}")


def _check_augmented_range(subject: Subject) -> None:
    augmented, original = _augmented_twice(subject)[0], _original_images()
    require(np.isfinite(augmented).all(), "its output has infinite or NaN pixels")
    low, high = float(augmented.min()), float(augmented.max())
    require(low >= -OVERSHOOT and high <= 255 + OVERSHOOT, f"it turned images in 0..255 into {low:.0f}..{high:.0f}")
    share = float(augmented.std() / original.std())
    require(
        share > CONTRAST_SHARE, f"it turned images in 0..255 into {low:.2f}..{high:.2f}, with {share:.1%} of their contrast"
    )


def _check_identity_at_inference(subject: Subject) -> None:
    images = _original_images()
    augmentation = subject.once_or_skip("built or not", lambda: built_augmentation(subject))
    after = np.asarray(augmentation(images, training=False), dtype=np.float32)
    require(after.shape == images.shape, f"with training=False it turned shape {images.shape} into {after.shape}")
    largest = float(np.abs(after - images).max())
    require(largest < 1e-2, f"with training=False it changes pixels by up to {largest:.1f}")


def _check_seeded_augmentation(subject: Subject) -> None:
    first, again = _augmented_twice(subject), _augment(subject, CHECK_SEED, calls=2)
    require(_are_equal(first, again), f"built twice with seed {CHECK_SEED}, it returns different images")


def _check_other_seed(subject: Subject) -> None:
    _skip_without_draws(subject)
    first, other = _augmented_twice(subject), _augment(subject, OTHER_SEED, calls=2)
    require(not _are_equal(first, other), f"seeds {CHECK_SEED} and {OTHER_SEED} return the same images")


def _are_equal(first: list[Floats], other: list[Floats]) -> bool:
    return all(np.array_equal(before, after) for before, after in zip(first, other, strict=True))


def _check_drawn_anew(subject: Subject) -> None:
    _skip_without_draws(subject)
    first, second = _augmented_twice(subject)
    require(not np.array_equal(first, second), "it returns the same images for every batch")


def _skip_without_draws(subject: Subject) -> None:
    if subject.part.spec.views == 0:
        raise NotCheckable("it declares views=0 and draws nothing")


augmentation_check = partial(Check, kind="augmentation")

AUGMENTATION_CHECKS = (
    augmentation_check(
        "shape", _check_shape, "every view must fit the same backbone", "crop and resize back, or fill the empty border"
    ),
    augmentation_check(
        "pixel-range",
        _check_augmented_range,
        "backbones scale 0..255 themselves",
        "return pixels in 0..255; give Keras' layers value_range=(0, 255)",
    ),
    augmentation_check(
        "identity-at-inference",
        _check_identity_at_inference,
        "validation and test images must stay unchanged",
        "take an argument training and return the images unchanged if it is False",
    ),
    augmentation_check(
        "seeded",
        _check_seeded_augmentation,
        "the same command must give the same row, in any process",
        "draw from the argument seed alone: keras.layers.RandomRotation(..., seed=seed), numpy.random.default_rng(seed)",
    ),
    augmentation_check(
        "other-seed", _check_other_seed, "each view of an image has its own seed", "use the argument seed instead of a constant"
    ),
    augmentation_check(
        "drawn-anew",
        _check_drawn_anew,
        "one augmentation draws for many batches",
        "create the generator once, when the augmentation is built; in Keras layers use keras.random, not NumPy",
    ),
)
