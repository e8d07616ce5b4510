"""The check that a backbone loads its weights file, on networks with files of their own."""

from __future__ import annotations

import pytest

from cxrbench.plugin.host import load_host
from cxrbench.testing.run import plan_checks
from cxrbench.testing.subject import find_subjects, subjects_of

PLUGIN = """
from pathlib import Path

from cxrbench.plugin import Backbone, Download, Unavailable, hookimpl

{declared}


def build(*, input_shape, weights, seed, file: str = ""):
    import keras

    model = keras.Sequential([
        keras.Input(input_shape),
        keras.layers.Rescaling(1 / 127.5, offset=-1.0),
        keras.layers.Conv2D(8, 5, strides=4, activation="relu", kernel_initializer=keras.initializers.HeNormal({seed})),
        keras.layers.AveragePooling2D(4),
        keras.layers.Flatten(),
    ])
    {load}
    return model


@hookimpl
def register_backbones():
    return [Backbone(name="own", factory=f"{{__name__}}:build", {field})]
"""
DECLARED = """
def weights_file(*, input_shape, weights, file: str = ""):
    if weights == "none":
        return None
    path = Path(file)
    if not path.is_file():
        raise Unavailable(f"there is no file {file}")
    return Download(url=path.absolute().as_uri(), file_name=path.name, folder=path.absolute().parent)
"""
FIELD = 'weights=f"{__name__}:weights_file"'
LOAD = 'model.load_weights(file) if weights != "none" else None'


@pytest.fixture
def saved(tmp_path, tensorflow_ready):
    """Return a file of weights of the network."""
    keras = tensorflow_ready
    layers = keras.layers
    model = keras.Sequential([keras.Input((64, 64, 3)), layers.Conv2D(8, 5, strides=4)])
    whole = keras.Sequential(
        [keras.Input((64, 64, 3)), layers.Rescaling(1.0), *model.layers, layers.AveragePooling2D(4), layers.Flatten()]
    )
    whole.save_weights(tmp_path / "own.weights.h5")
    return tmp_path / "own.weights.h5"


@pytest.fixture
def result(tmp_path, saved):
    """Return a function that runs the check on a plugin and returns its result."""

    def run(options, *, load=LOAD, declared=DECLARED, field=FIELD, seed="seed"):
        plugin = tmp_path / "own.py"
        plugin.write_text(PLUGIN.format(load=load, declared=declared, field=field, seed=seed))
        subjects = find_subjects(f"own:{options.format(file=saved)}", load_host([plugin]))
        (found,) = [one.run() for one in plan_checks(subjects) if one.check.name == "loads-weights"]
        return found

    return run


def test_a_backbone_that_loads_its_file_passes(result):
    assert result("file='{file}'").state == "passed"


def test_weights_of_another_name_are_checked_as_well(result):
    assert result("file='{file}',weights=cxr").state == "passed"


def test_drawn_weights_are_an_untrained_network(result):
    found = result("file='{file}'", load="")
    assert found.state == "failed"
    assert found.message.startswith("an untrained network: its features with seeds 7 and 11 differ by ")
    assert "although weights=imagenet names a file" in found.message


def test_weights_that_are_the_same_without_a_file_are_not_loaded(result):
    found = result("file='{file}'", load="", seed="3")
    assert (found.state, found.message) == (
        "failed",
        "weights=imagenet and weights=none give the same features: the weights file is not loaded",
    )


def test_a_file_without_a_declaration_must_be_loaded(result):
    found = result("file='{file}'", load="", seed="3", declared="", field="")
    assert found.state == "failed"
    assert found.message == "with an empty file as file=own.weights.h5, it returns the same features: the file is not loaded"


def test_a_file_without_a_declaration_that_is_loaded_passes(result):
    assert result("file='{file}'", load="model.load_weights(file)", seed="3", declared="", field="").state == "passed"


def test_without_the_file_an_untrained_network_was_checked(result):
    found = result("file=nowhere.h5")
    assert (found.state, found.message) == ("skipped", "an untrained network was checked: there is no file nowhere.h5")


@pytest.mark.usefixtures("tensorflow_ready")
@pytest.mark.parametrize("name", ["texture", "mobilenet:alpha=0.25,weights=none"])
def test_a_backbone_without_weights_has_nothing_to_load(name):
    (found,) = [one.run() for one in plan_checks(subjects_of(name, "backbone")) if one.check.name == "loads-weights"]
    assert (found.state, found.message) == ("skipped", "it has no weights file")
