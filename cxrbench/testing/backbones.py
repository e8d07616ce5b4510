"""What holds for a backbone: finite rows, each from its own image, over the whole range of greys, and no traces left."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.testing.backbone_build import (
    BANDS,
    BATCH,
    CHANNELS,
    FILMS,
    SCALES,
    Built,
    at_scale,
    direct,
    features,
    first,
    in_band,
    probes,
    second,
)
from cxrbench.testing.check import Check, ContractBroken, NotCheckable, require
from cxrbench.testing.films import films
from cxrbench.testing.subject import one_line
from cxrbench.testing.surroundings import reseeded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.testing.subject import Subject

    Floats = NDArray[np.float32]

SAME = 1e-3
"""By how much of their length features of the same image may differ: another batch may round otherwise."""
TOLD_APART = 1e-5
RANGE_SHARE = 0.1
"""Within 0..255 films must differ by at least this share of what they differ by at another scale."""
BAND_SHARE = 0.01
TURN = 0.1


def _built(subject: Subject) -> Built:
    built: Built = subject.build("first build", lambda: first(subject))
    return built


def _rows(subject: Subject) -> None:
    built = _built(subject)
    found = np.asarray(built.extract(probes(built.size)))
    require(
        found.ndim == 2 and len(found) == BATCH and found.shape[1] > 0,
        f"{BATCH} images of {built.size} pixels gave shape {found.shape}; expected ({BATCH}, number of features)",
    )
    require(found.dtype.kind == "f", f"the features are {found.dtype}, not floating point numbers")


def _finite(subject: Subject) -> None:
    built = _built(subject)
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
        _difference(alone, moved) < SAME,
        f"the same image has other features in another batch: they differ by {_difference(alone, moved):.0%} of their length",
    )


def _repeatable(subject: Subject) -> None:
    change = _change_between_calls(subject)
    require(change < SAME, f"called twice, it gives features that differ by {change:.0%} of their length")


def _change_between_calls(subject: Subject) -> float:
    before, built = features(subject)[:FILMS], first(subject)
    return _difference(before, np.asarray(built.extract(probes(built.size)))[:FILMS])


def _repeated(subject: Subject) -> Floats:
    """Return the features of the films; skip the check where a second call gives others."""
    if not _change_between_calls(subject) < SAME:
        raise NotCheckable("it gives other features at every call: see the check repeatable")
    return features(subject)[:FILMS]


def _seeded(subject: Subject) -> None:
    before, built = _repeated(subject), second(subject)
    again = direct(built.function, probes(built.size))[:FILMS]
    require(
        _difference(before, again) < SAME,
        f"built twice with seed 7, it gives features that differ by {_difference(before, again):.0%} of their length",
    )


def _no_traces(subject: Subject) -> None:
    one, other = _built(subject).traces, second(subject).traces
    changed = [f"{name} from {before} to {after}" for name, (before, after) in {**one.settings, **other.settings}.items()]
    require(not changed, f"building it changes, for the whole process, {', '.join(changed)}")
    require(not reseeded(one, other), f"building it seeds {' and '.join(reseeded(one, other))} for the whole process")


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


def _gradients(subject: Subject) -> None:
    model = _model(second(subject), "it is no keras.Model: its features can be used, but it cannot be fine-tuned")
    from cxrbench.backend import gradient_sizes

    images = np.repeat(films(2, second(subject).size), CHANNELS, axis=-1)
    sizes = gradient_sizes(model, images, seed=1)
    if not sizes:
        raise NotCheckable("it has no weights that could be trained")
    without = [name for name, size in sizes if not size > 0]
    require(
        2 * len(without) <= len(sizes),
        f"no gradient reaches {len(without)} of {len(sizes)} weights ({', '.join(without[:3])}, ...)",
    )


def _saves(subject: Subject) -> None:
    model = _model(_built(subject), "it is no keras.Model: there is nothing to save")
    import keras

    grey = films(2, first(subject).size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "backbone.keras"
        try:
            model.save(path)
            again = keras.saving.load_model(path, compile=False, safe_mode=True)
        except Exception as error:
            raise ContractBroken(f"it cannot be saved and loaded again: {one_line(error)[:300]}") from None
    require(
        _difference(direct(model, grey), direct(again, grey)) < SAME,
        "saved and loaded again, it gives other features",
    )


def _model(built: Built, otherwise: str) -> Any:
    import keras

    if not isinstance(built.function, keras.Model):
        raise NotCheckable(otherwise)
    return built.function


def _difference(one: Floats, other: Floats) -> float:
    """Return by how much of their length rows differ, at most; more than everything if there are other shapes."""
    if one.shape != other.shape or not np.isfinite(other).all():
        return float("inf")
    length = np.linalg.norm(one, axis=1)
    return float((np.linalg.norm(one - other, axis=1) / np.maximum(length, 1e-20)).max())


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


def _check(name: str, function: Any, reason: str, remedy: str) -> Check:
    return Check(name=name, kind="backbone", reason=reason, remedy=remedy, function=function)


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
    _check(
        "no-traces",
        _no_traces,
        "what one plugin sets for the whole process changes every other recipe",
        "give each layer its own dtype and each initializer its own seed; no keras.utils.set_random_seed, no set_dtype_policy",
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
    _check(
        "gradients",
        _gradients,
        "fine-tuning needs gradients down to the weights",
        "build the network from differentiable Keras layers, without stop_gradient",
    ),
    _check(
        "saves",
        _saves,
        "a result can be kept and looked at only if its network can be loaded again, without running foreign code",
        "use Keras' own layers instead of Lambda, and register custom ones: @keras.saving.register_keras_serializable()",
    ),
)
