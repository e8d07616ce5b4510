"""Build a backbone as the harness does, and extract features of the probe images that its checks compare."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.data.download import Downloader
from cxrbench.errors import ConfigError, CxrbenchError, Unavailable
from cxrbench.models.features.frozen_backbone import as_features, is_model_of_keras
from cxrbench.models.weights import get_weights, weights_option
from cxrbench.testing.check import CHECK_SEED
from cxrbench.testing.images import grey_images, unit_images
from cxrbench.testing.outcome import NotCheckable, require
from cxrbench.testing.surroundings import Traces, recorded_traces

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxrbench.testing.images import Floats
    from cxrbench.testing.subject import Subject

BACKBONE_SIZES = (64, 96, 128, 224)
"""Image sizes to try; the smallest that the backbone accepts is used."""
RGB_CHANNELS = 3
SCENES = 3
"""Images with a pattern; the probes show each at every scale and in every grey band."""
FEATURE_ROUNDING = 1e-3
"""Largest difference, relative to their length, of features of the same image: rounding depends on the batch."""
PIXEL_SCALES = (1.0, 1 / 255, 255.0, 1 / 2, 2.0, 1 / 510, 2 / 255)
GREY_BANDS = 4
FLAT_IMAGES = 4
PROBE_COUNT = SCENES * (len(PIXEL_SCALES) + GREY_BANDS) + FLAT_IMAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltBackbone:
    """A backbone, ready to extract features.

    Attributes:
        function: what the factory returned.
        extract: the function as the harness calls it: float32 ``[PROBE_COUNT, size, size, 1]`` to features.
        size: height and width of its images, in pixels.
        weights: the weights that it was built with.
        traces: changes to the process made by building it.
    """

    function: Any
    extract: Callable[[Floats], Any]
    size: int
    weights: str
    traces: Traces


def built_backbone(subject: Subject) -> BuiltBackbone:
    """Return the subject's backbone, built once."""
    return subject.once("first", lambda: _build_subject(subject, global_seed=1))


def rebuilt_backbone(subject: Subject) -> BuiltBackbone:
    """Return the backbone, built a second time with other global random numbers and not compiled."""
    return subject.once_or_skip("second", lambda: _build_subject(subject, global_seed=2))


def uncompiled_features(function: Any, grey: Floats) -> Floats:
    """Return the features of a few grey images, float32 ``[n, D]``, without compiling the function."""
    images = np.repeat(grey, RGB_CHANNELS, axis=-1)
    features = function(images, training=False) if is_model_of_keras(function) else function(images)
    return np.asarray(features, dtype=np.float32)


def probe_features(subject: Subject) -> Floats:
    """Return the features of the probes, float32 ``[PROBE_COUNT, D]``; skip the check if there are none."""
    return subject.once_or_skip("features", lambda: _extract_probe_features(subject))


def _extract_probe_features(subject: Subject) -> Floats:
    built = built_backbone(subject)
    features = np.asarray(built.extract(probe_images(built.size)))
    if features.ndim != 2 or len(features) != PROBE_COUNT or features.dtype.kind != "f":
        raise NotCheckable("it does not return one row of features per image: see the check rows")
    if not np.isfinite(features[:SCENES]).all():
        raise NotCheckable("its features are not finite: see the check finite")
    return features.astype(np.float32)


def built_backbone_or_skip(subject: Subject) -> BuiltBackbone:
    """Return the subject's backbone; skip the check if it cannot be built."""
    return subject.once_or_skip("first build", lambda: built_backbone(subject))


def relative_difference(features: Floats, other: Floats) -> float:
    """Return the largest difference of rows, relative to their length; infinite if shapes differ or `other` is not finite."""
    if features.shape != other.shape or not np.isfinite(other).all():
        return float("inf")
    length = np.linalg.norm(features, axis=1)
    return float((np.linalg.norm(features - other, axis=1) / np.maximum(length, 1e-20)).max())


def probe_images(size: int) -> Floats:
    """Return float32 ``[PROBE_COUNT, size, size, 1]``: each scene at each scale and grey band, then four flat images.

    The flat images are black, white, grey and half white.
    """
    scenes = grey_images(SCENES, size)
    step = 256 // GREY_BANDS
    bands = [np.rint(step * band + (step - 1) * unit_images(SCENES, size)) for band in range(GREY_BANDS)]
    flat = np.zeros((FLAT_IMAGES, size, size, 1), dtype=np.float32)
    flat[1], flat[2], flat[3, :, size // 2 :] = 255, 128, 255
    return np.concatenate([*(scenes * np.float32(scale) for scale in PIXEL_SCALES), *bands, flat])


def features_at_scale(features: Floats, scale: float) -> Floats:
    """Return the rows of the scenes at one pixel scale."""
    start = SCENES * PIXEL_SCALES.index(scale)
    return features[start : start + SCENES]


def features_in_band(features: Floats, band: int) -> Floats:
    """Return the rows of the scenes in one quarter of the grey range."""
    start = SCENES * (len(PIXEL_SCALES) + band)
    return features[start : start + SCENES]


def _build_subject(subject: Subject, global_seed: int) -> BuiltBackbone:
    weights, problem = _available_weights(subject)
    try:
        return _build_smallest(subject, weights, global_seed)
    except CxrbenchError as error:
        if problem:
            raise NotCheckable(f"{problem}; and without weights: {error}") from None
        raise


def _build_smallest(subject: Subject, weights: str, global_seed: int) -> BuiltBackbone:
    """Build the backbone for the smallest image size that it accepts."""
    for size in BACKBONE_SIZES:
        try:
            with recorded_traces(global_seed) as traces:
                function = subject.part.build(input_shape=(size, size, RGB_CHANNELS), weights=weights, seed=CHECK_SEED)
        except ConfigError:
            if size == BACKBONE_SIZES[-1]:
                raise
        else:
            break
    require(callable(function), f"the factory returned {type(function).__name__}, which is not callable")
    compiled = global_seed == 1
    extract = as_features(function, (PROBE_COUNT, size, size, 1)) if compiled else partial(uncompiled_features, function)
    return BuiltBackbone(function=function, extract=extract, size=size, weights=weights, traces=traces)


def _available_weights(subject: Subject) -> tuple[str, str]:
    """Return the weights on this machine, or `none` and the reason; raise NotCheckable if the user's choice is missing."""
    chosen = dict(subject.part.component.options).get("weights")
    if not subject.part.spec.weights:
        return weights_option(subject.part), ""
    downloader = Downloader(offline=True, say=lambda _: None)
    try:
        return get_weights(subject.part, (BACKBONE_SIZES[-1], BACKBONE_SIZES[-1], RGB_CHANNELS), downloader).name, ""
    except Unavailable as error:
        if chosen:
            raise NotCheckable(str(error)) from None
        return "none", str(error)
