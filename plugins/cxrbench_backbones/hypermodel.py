"""Any KerasTuner hypermodel as a backbone: its hyper-parameters are searched by the study's engine, its weights are drawn."""

from __future__ import annotations

import importlib
import inspect
import tempfile
from typing import TYPE_CHECKING, Any

from cxrbench.plugin import ConfigError, PluginError, Value  # the harness resolves the annotations of factories
from cxrbench_backbones.checks import require_untrained
from cxrbench_backbones.hyperparameters import space_of
from cxrbench_backbones.preprocessing import Scaling, rescaled
from cxrbench_backbones.untrained import reinitialise, standardised

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cxrbench.plugin import Space

NAME = "hypermodel"


def hypermodel(
    *, input_shape: tuple[int, int, int], weights: str, seed: int, preprocessing: Scaling = "rescale", **options: Value
) -> Any:
    """Build a hypermodel without its head: float32 ``[B, H, W, 3]`` in 0..255 to float32 ``[B, D]``.

    ``class`` names it, ``keras_tuner.applications.HyperResNet`` or ``package.module:function``: a class of hypermodels or a
    function of ``hp``. The other options are arguments of that class, or values of its hyper-parameters. It gets pixels in
    0..1, unless `preprocessing` is ``none``. The last dense layer of one that cannot be asked to leave it out is left out here.

    Raises:
        ConfigError: no such class, or an option that is neither an argument nor a hyper-parameter.
    """
    import keras
    import keras_tuner

    require_untrained(NAME, weights)
    build, values = _builder(options, input_shape)
    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.values = dict(values)
    network = _built(build, hyperparameters)
    if unknown := sorted(values.keys() - {one.name for one in hyperparameters.space}):
        raise ConfigError(f"{NAME}: {options['class']} has neither an argument nor a hyper-parameter {unknown[0]!r}")
    headless = keras.Model(network.inputs, _features(network))
    reinitialise(headless, seed)
    images = keras.Input(input_shape, dtype="float32")
    model = keras.Model(images, standardised(headless(rescaled(images, preprocessing))), name="hypermodel")
    model.trainable = False
    return model


def search_space(*, input_shape: tuple[int, int, int], preprocessing: Scaling = "rescale", **options: Value) -> Space:
    """Return the hyper-parameters that KerasTuner itself finds, conditional ones included, less those that are set."""
    import keras_tuner

    del preprocessing
    build, values = _builder(options, input_shape)
    oracle = keras_tuner.oracles.RandomSearchOracle(objective=keras_tuner.Objective("score", "max"), max_trials=1, seed=1)
    with tempfile.TemporaryDirectory() as folder:  # its tuners insist on one; none of its files is kept
        tuner = keras_tuner.Tuner(oracle, lambda hp: _built(build, hp), directory=folder, overwrite=True)
        found = tuner.oracle.get_space()
    return space_of(found.space, values)


def _builder(options: Mapping[str, Value], input_shape: tuple[int, int, int]) -> tuple[Callable[[Any], Any], dict[str, Value]]:
    """Return the function of ``hp``, and the options that are not arguments of the class."""
    import keras_tuner

    if "class" not in options:
        raise ConfigError(f"{NAME} needs a class: write {NAME}:class=keras_tuner.applications.HyperResNet")
    target = _resolve(str(options["class"]))
    others = {name: value for name, value in options.items() if name != "class"}
    if not isinstance(target, type):
        return target, others
    if not issubclass(target, keras_tuner.HyperModel):
        raise ConfigError(f"{NAME}: class={options['class']} is no keras_tuner.HyperModel")
    accepted = inspect.signature(target).parameters
    given = {"input_shape": input_shape, "include_top": False, "classes": 2, **others}
    arguments = {name: value for name, value in given.items() if name in accepted}
    build: Callable[[Any], Any] = target(**arguments).build
    return build, {name: value for name, value in others.items() if name not in accepted}


def _resolve(text: str) -> Any:
    """Import what ``package.module.Name`` or ``package.module:Name`` names."""
    module, _, name = text.partition(":") if ":" in text else text.rpartition(".")
    try:
        target = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{NAME}: class={text} cannot be imported: {error}") from None
    if not callable(target):
        raise ConfigError(f"{NAME}: class={text} is {target!r}, neither a class nor a function")
    return target


def _built(build: Callable[[Any], Any], hyperparameters: Any) -> Any:
    """Build a model; raise PluginError if it is none with one input."""
    import keras

    model = build(hyperparameters)
    if not isinstance(model, keras.Model) or len(getattr(model, "inputs", None) or ()) != 1:
        raise PluginError(f"{NAME}: built {type(model).__name__}, not a Keras model with one input of a known shape")
    return model


def _features(network: Any) -> Any:
    """Return the output ``[B, D]`` below a last dense layer; maps are averaged over their area."""
    import keras

    last = network.layers[-1]
    output = last.input if isinstance(last, keras.layers.Dense) else network.outputs[0]
    return keras.layers.GlobalAveragePooling2D()(output) if len(output.shape) == 4 else output
