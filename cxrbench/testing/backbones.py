"""Checks of backbones: finite rows that depend on their own image only, over the whole grey range."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.testing.backbone_build import (
    FEATURE_ROUNDING,
    GREY_BANDS,
    PIXEL_SCALES,
    PROBE_COUNT,
    SCENES,
    built_backbone,
    built_backbone_or_skip,
    features_at_scale,
    features_in_band,
    probe_features,
    probe_images,
    rebuilt_backbone,
    relative_difference,
    uncompiled_features,
)
from cxrbench.testing.backbone_models import NETWORK_CHECKS
from cxrbench.testing.backbone_weights import WEIGHTS_CHECK
from cxrbench.testing.check import CHECK_SEED, Check
from cxrbench.testing.images import grey_images
from cxrbench.testing.outcome import NotCheckable, require

if TYPE_CHECKING:
    from cxrbench.testing.images import Floats
    from cxrbench.testing.subject import Subject

MIN_SENSITIVITY = 1e-5
RANGE_SHARE = 0.1
"""Smallest sensitivity to images in 0..255, as a share of the sensitivity at another scale."""
BAND_SHARE = 0.01
MIN_ROTATION = 0.1


def _check_rows(subject: Subject) -> None:
    built = built_backbone_or_skip(subject)
    features = np.asarray(built.extract(probe_images(built.size)))
    require(
        features.ndim == 2 and len(features) == PROBE_COUNT and features.shape[1] > 0,
        f"{PROBE_COUNT} images of {built.size} pixels gave shape {features.shape}, not ({PROBE_COUNT}, number of features)",
    )
    require(features.dtype.kind == "f", f"the features are {features.dtype}; expected floating point numbers")


def _check_finite(subject: Subject) -> None:
    built = built_backbone_or_skip(subject)
    features = np.asarray(built.extract(probe_images(built.size)))
    in_range = np.concatenate([features[:SCENES], features[SCENES * len(PIXEL_SCALES) :]])
    require(
        np.isfinite(in_range).all(),
        f"{(~np.isfinite(in_range)).any(axis=-1).sum()} of {len(in_range)} images gave infinite or NaN features",
    )


def _check_batch_neighbours(subject: Subject) -> None:
    """Compare the same images at the start of the probes and at the end of a batch of white images."""
    before = _repeatable_features(subject)
    built = built_backbone(subject)
    batch = np.full((PROBE_COUNT, built.size, built.size, 1), 255, dtype=np.float32)
    batch[-SCENES:] = grey_images(SCENES, built.size)
    moved = np.asarray(built.extract(batch))[-SCENES:]
    difference = relative_difference(before, moved)
    require(
        difference < FEATURE_ROUNDING,
        f"in another batch, features of the same image differ by {difference:.0%} of their length",
    )


def _check_repeatable(subject: Subject) -> None:
    change = _change_between_calls(subject)
    require(change < FEATURE_ROUNDING, f"called twice, it returns features that differ by {change:.0%} of their length")


def _change_between_calls(subject: Subject) -> float:
    before, built = probe_features(subject)[:SCENES], built_backbone(subject)
    return relative_difference(before, np.asarray(built.extract(probe_images(built.size)))[:SCENES])


def _repeatable_features(subject: Subject) -> Floats:
    """Return the features of the scenes; skip the check if a second call returns different ones."""
    if not _change_between_calls(subject) < FEATURE_ROUNDING:
        raise NotCheckable("its features change between calls: see the check repeatable")
    return probe_features(subject)[:SCENES]


def _check_seeded_backbone(subject: Subject) -> None:
    before, built = _repeatable_features(subject), rebuilt_backbone(subject)
    again = uncompiled_features(built.function, probe_images(built.size))[:SCENES]
    difference = relative_difference(before, again)
    require(
        difference < FEATURE_ROUNDING,
        f"built twice with seed {CHECK_SEED}, it returns features that differ by {difference:.0%} of their length",
    )


def _check_tells_apart(subject: Subject) -> None:
    sensitivity = _sensitivity(probe_features(subject)[:SCENES])
    require(sensitivity > MIN_SENSITIVITY, f"{SCENES} very different images have the same features")


def _check_pixel_range(subject: Subject) -> None:
    """Compare the same images in 0..1, in 0..255 and far beyond.

    Sensitivity must be high in 0..255: a network hardly distinguishes images that its preprocessing compresses, or at which it
    saturates. The direction of its features must change most with contrast in 0..255, the range that its biases fit: far below,
    the biases outweigh the pixels; far above, the pixels outweigh the biases.
    """
    features = probe_features(subject)
    expected, small, large = (_sensitivity(features_at_scale(features, scale)) for scale in (1.0, 1 / 255, 255.0))
    require(
        not expected < RANGE_SHARE * small,
        f"images in 0..255 differ {_percent(expected, small)} as much as the same images in 0..1: it seems to expect 0..1",
    )
    require(
        not expected < RANGE_SHARE * large,
        f"images in 0..255 differ {_percent(expected, large)} as much as the same images times 255: "
        "it seems to scale pixels twice",
    )
    in_unit_range, in_full_range = _rotation(features, 1 / 510, 2 / 255), _rotation(features, 1 / 2, 2.0)
    require(
        not in_unit_range > max(in_full_range, MIN_ROTATION),
        f"contrast rotates features more in 0..1 ({in_unit_range:.2f}) than in 0..255 ({in_full_range:.2f}): "
        "it seems to expect 0..1",
    )


def _check_every_grey(subject: Subject) -> None:
    """Compare images that use one quarter of the grey range only."""
    distances = [_mean_distance(features_in_band(probe_features(subject), band)) for band in range(GREY_BANDS)]
    step, least = 256 // GREY_BANDS, BAND_SHARE * max(distances)
    blind = [f"{step * band}..{step * band + step - 1}" for band in range(GREY_BANDS) if distances[band] < least]
    require(not blind, f"its features hardly depend on greys in {' and '.join(blind)}: pixels seem to be clipped")


def _mean_distance(rows: Floats) -> float:
    """Return the mean distance between rows."""
    distances = np.linalg.norm(rows[:, None].astype(np.float64) - rows[None], axis=-1)
    return float(distances[np.triu_indices(len(rows), 1)].mean())


def _sensitivity(rows: Floats) -> float:
    """Return the mean distance between rows, relative to their mean length."""
    length = float(np.linalg.norm(rows.astype(np.float64), axis=1).mean())
    return _mean_distance(rows) / length if length else 0.0


def _rotation(features: Floats, low: float, high: float) -> float:
    """Return the mean distance between the unit vectors of the same scenes' features at two pixel scales."""
    ends = []
    for scale in (low, high):
        rows = features_at_scale(features, scale).astype(np.float64)
        ends.append(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-20))
    return float(np.linalg.norm(ends[0] - ends[1], axis=1).mean())


def _percent(part: float, whole: float) -> str:
    return f"{part / whole if whole else 0:.1%}"


backbone_check = partial(Check, kind="backbone")

BACKBONE_CHECKS = (
    backbone_check(
        "rows", _check_rows, "a head is trained on one row of features per image", "pool or flatten to [batch, features]"
    ),
    backbone_check(
        "finite", _check_finite, "a single NaN fails every trial", "look for divisions by zero and logarithms of zero"
    ),
    backbone_check(
        "batch-neighbours",
        _check_batch_neighbours,
        "an image's features must not depend on other images of the batch",
        "normalise within each image or with stored statistics, not over the batch; call layers with training=False",
    ),
    backbone_check(
        "repeatable",
        _check_repeatable,
        "features are computed once and cached, so they must not be random",
        "disable dropout and noise: no training=True inside the model",
    ),
    backbone_check(
        "seeded",
        _check_seeded_backbone,
        "the same command must give the same row, in any process",
        "draw every random weight from the argument seed: keras.initializers.HeNormal(seed), numpy.random.default_rng(seed)",
    ),
    backbone_check(
        "tells-apart", _check_tells_apart, "features that never change hold no information", "check that the images are used"
    ),
    backbone_check(
        "pixel-range",
        _check_pixel_range,
        "the harness passes pixels in 0..255; only the backbone preprocesses them",
        "scale 0..255 once, inside the model, to what the network was trained on; many keras.applications do so already",
    ),
    backbone_check(
        "every-grey",
        _check_every_grey,
        "dark lungs and bright bones both matter",
        "look for clipping, uint8 arithmetic and a scaling that expects a smaller range",
    ),
    WEIGHTS_CHECK,
    *NETWORK_CHECKS,
)
