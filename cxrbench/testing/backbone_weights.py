"""Check that a backbone loads its weights file: an untrained network in place of a trained one is wrong without an error."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.data.download import Downloader
from cxrbench.errors import CxrbenchError, Unavailable
from cxrbench.models.weights import get_weights, weights_file, weights_option
from cxrbench.testing.backbone_build import (
    FEATURE_ROUNDING,
    RGB_CHANNELS,
    built_backbone_or_skip,
    rebuilt_backbone,
    relative_difference,
    uncompiled_features,
)
from cxrbench.testing.check import CHECK_SEED, Check
from cxrbench.testing.images import grey_images
from cxrbench.testing.outcome import NotCheckable, require

if TYPE_CHECKING:
    from cxrbench.config.part import Part
    from cxrbench.plugin.specs import Backbone
    from cxrbench.testing.images import Floats
    from cxrbench.testing.subject import Subject

OTHER_SEED = 11
IMAGES = 2
UNTRAINED = "an untrained network was checked"
"""What the check says where the weights are not on this machine."""


def _check_loads_weights(subject: Subject) -> None:
    """Build the backbone with another seed, without its weights, and with an empty file in place of each file."""
    options, files = dict(subject.part.component.options), subject.part.files
    named = [name for name in options if name in files and files[name].path.is_file()]
    has_weights = _has_weights(subject)
    if not named and not has_weights:
        raise NotCheckable("it has no weights file")
    expected = uncompiled_features(rebuilt_backbone(subject).function, _images(subject))
    if has_weights:
        _require_same_with_another_seed(subject, expected)
        _require_others_without_weights(subject, expected)
    for option in named:
        _require_others_with_an_empty_file(subject, option, expected)


def _has_weights(subject: Subject) -> bool:
    """Return whether the backbone is built with a weights file; skip the check if that is not on this machine."""
    part, weights = subject.part, weights_option(subject.part)
    if not part.spec.weights or weights == "none":
        return False
    try:
        found = get_weights(part, _shape(subject), Downloader(offline=True, say=lambda _: None))
    except Unavailable as error:
        raise NotCheckable(f"{UNTRAINED}: {error}") from None
    require(
        found.digest,
        f"for weights={weights}, {part.spec.weights!r} returns no file: nothing says which weights the network has",
    )
    return True


def _require_same_with_another_seed(subject: Subject, expected: Floats) -> None:
    part = subject.part
    found = _features(subject, part, weights_option(part), OTHER_SEED)
    difference = relative_difference(expected, found)
    require(
        difference < FEATURE_ROUNDING,
        f"an untrained network: its features with seeds {CHECK_SEED} and {OTHER_SEED} differ by {difference:.0%} of their "
        f"length, although weights={weights_option(part)} names a file: its weights are drawn at random and not loaded",
    )


def _require_others_without_weights(subject: Subject, expected: Floats) -> None:
    untrained = subject.part.at({"weights": "none"})
    try:
        is_supported = weights_file(untrained, _shape(subject)) is None
        found = _features(subject, untrained, "none", CHECK_SEED) if is_supported else None
    except CxrbenchError:  # it has no untrained form
        return
    require(
        found is None or not relative_difference(expected, found) < FEATURE_ROUNDING,
        f"weights={weights_option(subject.part)} and weights=none give the same features: the weights file is not loaded",
    )


def _require_others_with_an_empty_file(subject: Subject, option: str, expected: Floats) -> None:
    name = subject.part.files[option].path.name
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / name
        empty.touch()
        part = subject.part.at({option: str(empty)})
        try:
            found = _features(subject, part, weights_option(part), CHECK_SEED)
        except (Exception, SystemExit):
            return
    require(
        not relative_difference(expected, found) < FEATURE_ROUNDING,
        f"with an empty file as {option}={name}, it returns the same features: the file is not loaded",
    )


def _features(subject: Subject, part: Part[Backbone], weights: str, seed: int) -> Floats:
    built = part.build(input_shape=_shape(subject), weights=weights, seed=seed)
    return uncompiled_features(built, _images(subject))


def _images(subject: Subject) -> Floats:
    return grey_images(IMAGES, built_backbone_or_skip(subject).size)


def _shape(subject: Subject) -> tuple[int, int, int]:
    size = built_backbone_or_skip(subject).size
    return size, size, RGB_CHANNELS


WEIGHTS_CHECK = partial(Check, kind="backbone")(
    "loads-weights",
    _check_loads_weights,
    "an untrained network with the name of a trained one gives wrong numbers without an error",
    "load the file that the function `weights` names, by the factory's arguments: model.load_weights(file)",
)
