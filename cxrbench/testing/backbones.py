"""What holds for a backbone: finite rows, each from its own image, over the whole range of greys, and no traces left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.testing import backbone_models
from cxrbench.testing.backbone_build import (
    BANDS,
    BATCH,
    FILMS,
    SAME,
    SCALES,
    at_scale,
    built_or_skip,
    difference,
    direct,
    features,
    first,
    in_band,
    probes,
    second,
)
from cxrbench.testing.check import NotCheckable, checks_of, require
from cxrbench.testing.images import films

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.testing.subject import Subject

    Floats = NDArray[np.float32]

TOLD_APART = 1e-5
RANGE_SHARE = 0.1
"""Within 0..255 films must differ by at least this share of what they differ by at another scale."""
BAND_SHARE = 0.01
TURN = 0.1


def _rows(subject: Subject) -> None:
    built = built_or_skip(subject)
    found = np.asarray(built.extract(probes(built.size)))
    require(
        found.ndim == 2 and len(found) == BATCH and found.shape[1] > 0,
        f"{BATCH} images of {built.size} pixels gave shape {found.shape}; expected ({BATCH}, number of features)",
    )
    require(found.dtype.kind == "f", f"the features are {found.dtype}, not floating point numbers")


def _finite(subject: Subject) -> None:
    built = built_or_skip(subject)
    found = np.asarray(built.extract(probes(built.size)))
    within = np.concatenate([found[:FILMS], found[FILMS * len(SCALES) :]])
    require(
        np.isfinite(within).all(),
        f"{(~np.isfinite(within)).any(axis=-1).sum()} of {len(within)} images gave features that are infinite or no numbers",
    )


def _batch_neighbours(subject: Subject) -> None:
    """Put the same films at the other end of a batch, among white ones."""
    alone = _repeated(subject)
    built = first(subject)
    batch = np.full((BATCH, built.size, built.size, 1), 255, dtype=np.float32)
    batch[-FILMS:] = films(FILMS, built.size)
    moved = np.asarray(built.extract(batch))[-FILMS:]
    require(
        difference(alone, moved) < SAME,
        f"the same image has other features in another batch: they differ by {difference(alone, moved):.0%} of their length",
    )


def _repeatable(subject: Subject) -> None:
    change = _change_between_calls(subject)
    require(change < SAME, f"called twice, it gives features that differ by {change:.0%} of their length")


def _change_between_calls(subject: Subject) -> float:
    before, built = features(subject)[:FILMS], first(subject)
    return difference(before, np.asarray(built.extract(probes(built.size)))[:FILMS])


def _repeated(subject: Subject) -> Floats:
    """Return the features of the films; skip the check where a second call gives others."""
    if not _change_between_calls(subject) < SAME:
        raise NotCheckable("it gives other features at every call: see the check repeatable")
    return features(subject)[:FILMS]


def _seeded(subject: Subject) -> None:
    before, built = _repeated(subject), second(subject)
    again = direct(built.function, probes(built.size))[:FILMS]
    require(
        difference(before, again) < SAME,
        f"built twice with seed 7, it gives features that differ by {difference(before, again):.0%} of their length",
    )


def _tells_apart(subject: Subject) -> None:
    apart = _sensitivity(features(subject)[:FILMS])
    require(apart > TOLD_APART, "four very different films have the same features")


def _range(subject: Subject) -> None:
    """Show the same films in 0..1, in 0..255 and far beyond: it must see most in 0..255, and turn there.

    A network sees little in films that its scaling squeezes together, and little where it saturates. And the direction of its
    features turns most with contrast where its biases were made for: far below they outweigh the pixels, far above the reverse.
    """
    found = features(subject)
    right, small, large = (_sensitivity(at_scale(found, scale)) for scale in (1.0, 1 / 255, 255.0))
    require(
        not right < RANGE_SHARE * small,
        f"films in 0..255 differ {_share(right, small)} as much as the same films in 0..1: it seems to expect 0..1",
    )
    require(
        not right < RANGE_SHARE * large,
        f"films in 0..255 differ {_share(right, large)} as much as the same films times 255: it seems to scale pixels twice",
    )
    turn_small, turn_right = _turn(found, 1 / 510, 2 / 255), _turn(found, 1 / 2, 2.0)
    require(
        not turn_small > max(turn_right, TURN),
        f"contrast turns features more in 0..1 ({turn_small:.2f}) than in 0..255 ({turn_right:.2f}): it seems to expect 0..1",
    )


def _every_grey(subject: Subject) -> None:
    """Show films that use a quarter of the greys only."""
    apart = [_spread(in_band(features(subject), band)) for band in range(BANDS)]
    step = 256 // BANDS
    blind = [f"{step * band}..{step * band + step - 1}" for band in range(BANDS) if apart[band] < BAND_SHARE * max(apart)]
    require(not blind, f"it hardly sees differences between greys in {' and '.join(blind)}: something is cut off")


def _spread(rows: Floats) -> float:
    """Return the mean distance of rows from one another."""
    distances = np.linalg.norm(rows[:, None].astype(np.float64) - rows[None], axis=-1)
    return float(distances[np.triu_indices(len(rows), 1)].mean())


def _sensitivity(rows: Floats) -> float:
    """Return the mean distance of rows in parts of their mean length."""
    length = float(np.linalg.norm(rows.astype(np.float64), axis=1).mean())
    return _spread(rows) / length if length else 0.0


def _turn(found: Floats, low: float, high: float) -> float:
    """Return how far apart the directions of the same films' features are at two scales."""
    ends = []
    for scale in (low, high):
        rows = at_scale(found, scale).astype(np.float64)
        ends.append(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-20))
    return float(np.linalg.norm(ends[0] - ends[1], axis=1).mean())


def _share(part: float, whole: float) -> str:
    return f"{part / whole if whole else 0:.1%}"


_check = checks_of("backbone")


CHECKS = (
    _check("rows", _rows, "a head is trained on one row of numbers per image", "pool or flatten to float32 [batch, features]"),
    _check("finite", _finite, "one NaN spoils every trial", "look for divisions by zero and logarithms of black"),
    _check(
        "batch-neighbours",
        _batch_neighbours,
        "an image's features must not depend on which images happen to be beside it",
        "normalise within each image or with stored statistics, never over the batch; call layers with training=False",
    ),
    _check(
        "repeatable",
        _repeatable,
        "features are computed once and stored: they must not be one draw of many",
        "leave dropout and noise inactive: no training=True inside the model",
    ),
    _check(
        "seeded",
        _seeded,
        "the same command must give the same row, in any process",
        "draw every random weight from the argument seed: keras.initializers.HeNormal(seed), numpy.random.default_rng(seed)",
    ),
    _check("tells-apart", _tells_apart, "features that never change hold no information", "check that the images are used"),
    _check(
        "pixel-range",
        _range,
        "pixels arrive in 0..255, and the backbone's own preprocessing must be the only one",
        "scale 0..255 once, inside the model, to what the network was trained on; many keras.applications do so themselves",
    ),
    _check(
        "every-grey",
        _every_grey,
        "dark lungs and bright bones both tell something",
        "look for clipping, for uint8 arithmetic, and for a scaling that expects a smaller range",
    ),
    *backbone_models.CHECKS,
)
