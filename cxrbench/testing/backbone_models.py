"""Checks of backbones as networks: process-wide state, gradients, saving and the search space."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.plugin.specs import Choice, Float, Int, is_searched
from cxrbench.search.study import search_space
from cxrbench.testing.backbone_build import (
    FEATURE_ROUNDING,
    RGB_CHANNELS,
    BuiltBackbone,
    built_backbone,
    built_backbone_or_skip,
    rebuilt_backbone,
    relative_difference,
    uncompiled_features,
)
from cxrbench.testing.check import CHECK_SEED, Check
from cxrbench.testing.images import grey_images
from cxrbench.testing.outcome import ContractBroken, NotCheckable, require
from cxrbench.testing.subject import error_line
from cxrbench.testing.surroundings import reseeded_generators

if TYPE_CHECKING:
    from cxrbench.plugin.specs import Space, Value
    from cxrbench.testing.subject import Subject


def _check_no_traces(subject: Subject) -> None:
    first, second = built_backbone_or_skip(subject).traces, rebuilt_backbone(subject).traces
    changed = [f"{name} from {before} to {after}" for name, (before, after) in {**first.settings, **second.settings}.items()]
    require(not changed, f"building it changes settings of the whole process: {', '.join(changed)}")
    seeded = reseeded_generators(first, second)
    require(not seeded, f"building it seeds {' and '.join(seeded)} for the whole process")


def _check_gradients(subject: Subject) -> None:
    model = _keras_model(rebuilt_backbone(subject), "it is not a keras.Model: it can extract features, but not be fine-tuned")
    from cxrbench.models.backend import gradient_sizes

    images = np.repeat(grey_images(2, rebuilt_backbone(subject).size), RGB_CHANNELS, axis=-1)
    try:
        sizes = gradient_sizes(model, images, seed=1)
    except NotImplementedError as error:
        raise NotCheckable(str(error)) from None
    if not sizes:
        raise NotCheckable("it has no trainable weights")
    without_gradient = [name for name, size in sizes if not size > 0]
    require(
        2 * len(without_gradient) <= len(sizes),
        f"no gradient reaches {len(without_gradient)} of {len(sizes)} weights ({', '.join(without_gradient[:3])}, ...)",
    )


def _check_saves(subject: Subject) -> None:
    model = _keras_model(built_backbone_or_skip(subject), "it is not a keras.Model and cannot be saved")
    import keras

    images = grey_images(2, built_backbone(subject).size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "backbone.keras"
        try:
            model.save(path)
            loaded = keras.saving.load_model(path, compile=False, safe_mode=True)
        except Exception as error:
            raise ContractBroken(f"it cannot be saved and loaded again: {error_line(error)[:300]}") from None
    require(
        relative_difference(uncompiled_features(model, images), uncompiled_features(loaded, images)) < FEATURE_ROUNDING,
        "after saving and loading, its features differ",
    )


def _keras_model(built: BuiltBackbone, message: str) -> Any:
    import keras

    if not isinstance(built.function, keras.Model):
        raise NotCheckable(message)
    return built.function


def _check_backbone_space(subject: Subject) -> None:
    """Resolve the space, and build the backbone at both of its ends."""
    spec, built = subject.part.spec, built_backbone_or_skip(subject)
    if not spec.space:
        raise NotCheckable("it declares no search space")
    shape = (built.size, built.size, RGB_CHANNELS)
    try:
        space: Space = subject.part.resolve(spec.space)(input_shape=shape, **subject.part.arguments)
    except Exception as error:
        raise ContractBroken(f"its search space raises {error_line(error)}") from None
    invalid = [name for name, parameter in space.items() if not isinstance(parameter, Choice | Float | Int)]
    require(not invalid, f"parameters of its search space must be Float, Int or Choice: {', '.join(invalid)}")
    clash = search_space("search", {}).keys() & space.keys()
    require(not clash, f"its search space contains {', '.join(sorted(clash))}, which the harness searches")
    for end in (0, -1):
        _build_at(subject, _params_at_end(space, end), built)


def _params_at_end(space: Space, end: int) -> dict[str, Value]:
    params: dict[str, Value] = {}
    for name, parameter in space.items():
        if is_searched(parameter, params):
            params[name] = (parameter.options if isinstance(parameter, Choice) else (parameter.low, parameter.high))[end]
    return params


def _build_at(subject: Subject, params: dict[str, Value], built: BuiltBackbone) -> None:
    shape = (built.size, built.size, RGB_CHANNELS)
    try:
        subject.part.at(params).build(input_shape=shape, weights=built.weights, seed=CHECK_SEED)
    except Exception as error:
        raise ContractBroken(f"at {params}, inside its search space, the factory raises {error_line(error)}") from None


network_check = partial(Check, kind="backbone")

NETWORK_CHECKS = (
    network_check(
        "no-traces",
        _check_no_traces,
        "a setting of the whole process changes every other recipe",
        "give each layer its own dtype and each initializer its own seed; do not call set_random_seed or set_dtype_policy",
    ),
    network_check(
        "gradients",
        _check_gradients,
        "fine-tuning needs gradients down to the weights",
        "build the network from differentiable Keras layers, without stop_gradient",
    ),
    network_check(
        "saves",
        _check_saves,
        "a saved model must load again without running foreign code",
        "use Keras' own layers instead of Lambda, and register custom ones: @keras.saving.register_keras_serializable()",
    ),
    network_check(
        "own-space",
        _check_backbone_space,
        "the search tries values of the whole declared space",
        "accept both ends of each parameter",
    ),
)
