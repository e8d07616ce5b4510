"""What holds for an augmentation: films stay films, nothing happens outside training, and the seed decides what is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.models.features.extraction import as_augmentation
from cxrbench.testing.check import NotCheckable, checks_of, require
from cxrbench.testing.images import films

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.testing.subject import Subject

    Floats = NDArray[np.float32]

SIZE, COUNT = 48, 8
SHAPE = (SIZE, SIZE, 1)
SEED, OTHER_SEED = 7, 11
OVERSHOOT = 64
"""How far beyond 0..255 noise and brightness may go; the harness cuts it off."""
CONTRAST_SHARE = 0.05


def build(subject: Subject) -> Any:
    """Return the augmentation."""
    return subject.once("built", lambda: _make(subject, SEED))


def _make(subject: Subject, seed: int) -> Any:
    return subject.part.build(input_shape=SHAPE, seed=seed)


def _draw(subject: Subject, seed: int, calls: int = 1) -> list[Floats]:
    """Return what a new augmentation makes of the same films at one call after another."""
    augment = as_augmentation(subject.build(f"new {seed}", lambda: _make(subject, seed)), (COUNT, *SHAPE))
    subject.made.pop(f"new {seed}")  # the next one starts from its seed again
    return [np.asarray(augment(films(COUNT, SIZE)), dtype=np.float32) for _ in range(calls)]


def _drawn(subject: Subject) -> list[Floats]:
    drawn: list[Floats] = subject.once("drawn", lambda: _draw(subject, SEED, calls=2))
    return drawn


def _shape(subject: Subject) -> None:
    shape = _drawn(subject)[0].shape
    require(shape == (COUNT, *SHAPE), f"it turned shape {(COUNT, *SHAPE)} into {shape}")


def _pixel_range(subject: Subject) -> None:
    drawn, original = _drawn(subject)[0], films(COUNT, SIZE)
    require(np.isfinite(drawn).all(), "it makes pixels that are infinite or no numbers")
    low, high = float(drawn.min()), float(drawn.max())
    require(low >= -OVERSHOOT and high <= 255 + OVERSHOOT, f"films in 0..255 came back in {low:.0f}..{high:.0f}")
    share = float(drawn.std() / original.std())
    require(
        share > CONTRAST_SHARE, f"films in 0..255 came back in {low:.2f}..{high:.2f}: {share:.1%} of their contrast is left"
    )


def _identity(subject: Subject) -> None:
    images = films(COUNT, SIZE)
    after = np.asarray(build_or_skip(subject)(images, training=False), dtype=np.float32)
    require(after.shape == images.shape, f"outside training it turned shape {images.shape} into {after.shape}")
    worst = float(np.abs(after - images).max())
    require(worst < 1e-2, f"outside training (training=False) it changes pixels by up to {worst:.1f}")


def build_or_skip(subject: Subject) -> Any:
    """Return the augmentation, or skip the check that needs it."""
    return subject.build("built or not", lambda: build(subject))


def _seeded(subject: Subject) -> None:
    one, other = _drawn(subject), _draw(subject, SEED, calls=2)
    require(
        all(np.array_equal(before, after) for before, after in zip(one, other, strict=True)),
        f"built twice with seed {SEED}, it draws other films",
    )


def _other_seed(subject: Subject) -> None:
    _skip_if_it_draws_nothing(subject)
    one, other = _drawn(subject), _draw(subject, OTHER_SEED, calls=2)
    same = all(np.array_equal(before, after) for before, after in zip(one, other, strict=True))
    require(not same, f"seeds {SEED} and {OTHER_SEED} draw the very same films")


def _anew(subject: Subject) -> None:
    _skip_if_it_draws_nothing(subject)
    first, second = _drawn(subject)
    require(not np.array_equal(first, second), "it draws the same for every batch")


def _skip_if_it_draws_nothing(subject: Subject) -> None:
    if subject.part.spec.views == 0:
        raise NotCheckable("it declares views=0: it draws nothing")


_check = checks_of("augmentation")


CHECKS = (
    _check("shape", _shape, "every view must fit the same backbone", "crop and resize back, or fill what comes into view"),
    _check(
        "pixel-range",
        _pixel_range,
        "backbones scale 0..255 themselves",
        "return pixels in 0..255, whatever is used inside; give Keras' layers value_range=(0, 255)",
    ),
    _check(
        "identity-at-inference",
        _identity,
        "validation and test films must not be altered",
        "take an argument training and return the images unchanged if it is False",
    ),
    _check(
        "seeded",
        _seeded,
        "the same command must give the same row, in any process",
        "draw from the argument seed alone: keras.layers.RandomRotation(..., seed=seed), numpy.random.default_rng(seed)",
    ),
    _check("other-seed", _other_seed, "each view of a film has a seed of its own", "use the argument seed, and not a constant"),
    _check(
        "drawn-anew",
        _anew,
        "one augmentation draws for many batches",
        "make the generator once, when the augmentation is built; in a Keras layer use keras.random, for NumPy draws only once",
    ),
)
