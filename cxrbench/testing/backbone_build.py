"""Build a backbone as the harness does, and show it the probes that the checks of backbones look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.data.download import Downloader
from cxrbench.data.source import downloads_folder
from cxrbench.errors import ConfigError, CxrbenchError, Unavailable
from cxrbench.models.features.extraction import as_features, is_model_of_keras
from cxrbench.models.weights import get_weights, weights_option
from cxrbench.testing.check import NotCheckable, require
from cxrbench.testing.images import films, patterns
from cxrbench.testing.surroundings import Traces, watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cxrbench.testing.subject import Subject

    Floats = NDArray[np.float32]

SIZES = (64, 96, 128, 224)
"""The smallest that a backbone accepts is used."""
CHANNELS = 3
SEED = 7
FILMS = 3
SAME = 1e-3
"""By how much of their length features of the same image may differ: another batch may round otherwise."""
SCALES = (1.0, 1 / 255, 255.0, 1 / 2, 2.0, 1 / 510, 2 / 255)
BANDS = 4
FLAT = 4
BATCH = FILMS * (len(SCALES) + BANDS) + FLAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A backbone and what it made of the probes.

    Attributes:
        function: what the factory returned.
        extract: the same as the harness calls it: float32 ``[BATCH, size, size, 1]`` to features.
        traces: what building it left behind.
    """

    function: Any
    extract: Callable[[Floats], Any]
    size: int
    weights: str
    traces: Traces


def first(subject: Subject) -> Built:
    """Return the subject's backbone, built once."""
    built: Built = subject.once("first", lambda: _build(subject, start=1))
    return built


def second(subject: Subject) -> Built:
    """Return the same built again, the process's own random numbers being others, and not compiled."""
    built: Built = subject.build("second", lambda: _build(subject, start=2))
    return built


def direct(function: Any, grey: Floats) -> Floats:
    """Return the features of a few films without compiling anything."""
    images = np.repeat(grey, CHANNELS, axis=-1)
    found = function(images, training=False) if is_model_of_keras(function) else function(images)
    return np.asarray(found, dtype=np.float32)


def features(subject: Subject) -> Floats:
    """Return what the backbone makes of the probes, float32 ``[BATCH, D]``; skip the check if that is no such array."""
    found: Floats = subject.build("features", lambda: _shown(subject))
    return found


def _shown(subject: Subject) -> Floats:
    built = first(subject)
    found = np.asarray(built.extract(probes(built.size)))
    if found.ndim != 2 or len(found) != BATCH or found.dtype.kind != "f":
        raise NotCheckable("it returns no rows of features: see the check rows")
    if not np.isfinite(found[:FILMS]).all():
        raise NotCheckable("its features are not finite: see the check finite")
    return found.astype(np.float32)


def built_or_skip(subject: Subject) -> Built:
    """Return the subject's backbone, or skip the check that needs it."""
    built: Built = subject.build("first build", lambda: first(subject))
    return built


def difference(one: Floats, other: Floats) -> float:
    """Return by how much of their length rows differ, at most; more than everything if there are other shapes."""
    if one.shape != other.shape or not np.isfinite(other).all():
        return float("inf")
    length = np.linalg.norm(one, axis=1)
    return float((np.linalg.norm(one - other, axis=1) / np.maximum(length, 1e-20)).max())


def probes(size: int) -> Floats:
    """Return a batch: 3 films at each scale, in each quarter of the greys, and a black, white, grey and half white one."""
    whole = films(FILMS, size)
    step = 256 // BANDS
    bands = [np.rint(step * band + (step - 1) * patterns(FILMS, size)) for band in range(BANDS)]
    flat = np.zeros((FLAT, size, size, 1), dtype=np.float32)
    flat[1], flat[2], flat[3, :, size // 2 :] = 255, 128, 255
    return np.concatenate([*(whole * np.float32(scale) for scale in SCALES), *bands, flat])


def at_scale(found: Floats, scale: float) -> Floats:
    """Return the rows of the films at one of the scales."""
    start = FILMS * SCALES.index(scale)
    return found[start : start + FILMS]


def in_band(found: Floats, band: int) -> Floats:
    """Return the rows of the films in one quarter of the greys."""
    start = FILMS * (len(SCALES) + band)
    return found[start : start + FILMS]


def _build(subject: Subject, start: int) -> Built:
    weights, problem = _weights(subject)
    try:
        return _built(subject, weights, start)
    except CxrbenchError as error:
        if problem:
            raise NotCheckable(f"{problem}; and without weights: {error}") from None
        raise


def _built(subject: Subject, weights: str, start: int) -> Built:
    """Build it for the smallest images that it accepts."""
    for size in SIZES:
        try:
            with watched(start) as traces:
                function = subject.part.build(input_shape=(size, size, CHANNELS), weights=weights, seed=SEED)
        except ConfigError:
            if size == SIZES[-1]:
                raise
        else:
            break
    require(callable(function), f"the factory returned {type(function).__name__}, which cannot be called")
    extract = as_features(function, (BATCH, size, size, 1)) if start == 1 else partial(direct, function)
    return Built(function=function, extract=extract, size=size, weights=weights, traces=traces)


def _weights(subject: Subject) -> tuple[str, str]:
    """Return the weights that are on the machine, or `none` and why; raise NotCheckable where the user named others."""
    named = dict(subject.part.component.options).get("weights")
    if not subject.part.spec.weights:
        return weights_option(subject.part), ""
    downloader = Downloader(folder=downloads_folder(), offline=True, say=lambda _: None)
    try:
        return get_weights(subject.part, (SIZES[-1], SIZES[-1], CHANNELS), downloader).name, ""
    except Unavailable as error:
        if named:
            raise NotCheckable(str(error)) from None
        return "none", str(error)
