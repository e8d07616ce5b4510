"""What holds for a backbone as a network: it leaves no traces, can be trained, saved and searched."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.plugin.specs import Choice, Float, Int, is_searched
from cxrbench.search.study import search_space
from cxrbench.testing.backbone_build import CHANNELS, SAME, SEED, Built, built_or_skip, difference, direct, first, second
from cxrbench.testing.check import ContractBroken, NotCheckable, checks_of, require
from cxrbench.testing.images import films
from cxrbench.testing.subject import one_line
from cxrbench.testing.surroundings import reseeded

if TYPE_CHECKING:
    from cxrbench.plugin.specs import Space, Value
    from cxrbench.testing.subject import Subject


def _no_traces(subject: Subject) -> None:
    one, other = built_or_skip(subject).traces, second(subject).traces
    changed = [f"{name} from {before} to {after}" for name, (before, after) in {**one.settings, **other.settings}.items()]
    require(not changed, f"building it changes, for the whole process, {', '.join(changed)}")
    require(not reseeded(one, other), f"building it seeds {' and '.join(reseeded(one, other))} for the whole process")


def _gradients(subject: Subject) -> None:
    model = _model(second(subject), "it is no keras.Model: its features can be used, but it cannot be fine-tuned")
    from cxrbench.models.backend import gradient_sizes

    images = np.repeat(films(2, second(subject).size), CHANNELS, axis=-1)
    try:
        sizes = gradient_sizes(model, images, seed=1)
    except NotImplementedError as error:
        raise NotCheckable(str(error)) from None
    if not sizes:
        raise NotCheckable("it has no weights that could be trained")
    without = [name for name, size in sizes if not size > 0]
    require(
        2 * len(without) <= len(sizes),
        f"no gradient reaches {len(without)} of {len(sizes)} weights ({', '.join(without[:3])}, ...)",
    )


def _saves(subject: Subject) -> None:
    model = _model(built_or_skip(subject), "it is no keras.Model: there is nothing to save")
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
        difference(direct(model, grey), direct(again, grey)) < SAME,
        "saved and loaded again, it gives other features",
    )


def _model(built: Built, otherwise: str) -> Any:
    import keras

    if not isinstance(built.function, keras.Model):
        raise NotCheckable(otherwise)
    return built.function


def _own_space(subject: Subject) -> None:
    """Have the space listed, and the backbone built at both ends of it."""
    spec, built = subject.part.spec, built_or_skip(subject)
    if not spec.space:
        raise NotCheckable("it declares no parameters of its own")
    shape = (built.size, built.size, CHANNELS)
    try:
        space: Space = subject.part.resolve(spec.space)(input_shape=shape, **subject.part.arguments)
    except Exception as error:
        raise ContractBroken(f"asked for its parameters, it raises {one_line(error)}") from None
    strange = [name for name, parameter in space.items() if not isinstance(parameter, Choice | Float | Int)]
    require(not strange, f"{', '.join(strange)} of its space is neither Float, Int nor Choice")
    clash = search_space("search", {}).keys() & space.keys()
    require(not clash, f"its space holds {', '.join(sorted(clash))}, which the harness searches")
    for end in (0, -1):
        _build_at(subject, _setting(space, end), built)


def _setting(space: Space, end: int) -> dict[str, Value]:
    setting: dict[str, Value] = {}
    for name, parameter in space.items():
        if is_searched(parameter, setting):
            setting[name] = (parameter.options if isinstance(parameter, Choice) else (parameter.low, parameter.high))[end]
    return setting


def _build_at(subject: Subject, setting: dict[str, Value], built: Built) -> None:
    try:
        subject.part.at(setting).build(input_shape=(built.size, built.size, CHANNELS), weights=built.weights, seed=SEED)
    except Exception as error:
        raise ContractBroken(f"at {setting}, which its space allows, the factory raises {one_line(error)}") from None


_check = checks_of("backbone")


CHECKS = (
    _check(
        "no-traces",
        _no_traces,
        "what one plugin sets for the whole process changes every other recipe",
        "give each layer its own dtype and each initializer its own seed; no keras.utils.set_random_seed, no set_dtype_policy",
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
    _check("own-space", _own_space, "the search tries every value that is declared", "accept both ends of each parameter"),
)
