"""Model files that somebody has tampered with: nothing in them runs, and what is wrong is said before Keras is asked."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import keras
import pytest

from cxrbench.plugin import ConfigError
from cxrbench_backbones.keras_archive import LARGEST_CONFIG, problem_of
from cxrbench_backbones.keras_file import keras_file, model_file

SHAPE = (32, 32, 3)
MARKER = "somebody-was-here"


def network():
    images = keras.Input(SHAPE)
    maps = keras.layers.Conv2D(2, 3, activation="relu", name="maps")(images)
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(maps))


@pytest.fixture
def tampered(tmp_path, monkeypatch):
    """Return a function that changes the configuration of a saved model and returns the new file."""
    monkeypatch.chdir(tmp_path)
    network().save("whole.keras")
    with zipfile.ZipFile("whole.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}

    def write(change, name="tampered.keras"):
        config = json.loads(parts["config.json"])
        change(config["config"]["layers"][1])
        with zipfile.ZipFile(name, "w") as archive:
            for part, content in {**parts, "config.json": json.dumps(config).encode()}.items():
                archive.writestr(part, content)
        return name

    yield write
    assert not Path(MARKER).exists()


def name(path):
    return model_file(input_shape=SHAPE, weights="imagenet", path=str(path))


def build(path):
    return keras_file(input_shape=SHAPE, weights="imagenet", seed=0, path=str(path))


def function(module, what):
    return {"module": module, "class_name": "function", "config": what, "registered_name": what}


ATTACKS = {
    "os.system as a layer": (
        lambda layer: layer.update(module="os", class_name="system", config={"command": f"touch {MARKER}"}),
        "system of os",
    ),
    "a process as a layer": (
        lambda layer: layer.update(module="subprocess", class_name="Popen", config={"args": ["touch", MARKER]}),
        "Popen of subprocess",
    ),
    "os.system as an activation": (lambda layer: layer["config"].update(activation=function("os", "system")), "of os"),
    "a download as an activation": (
        lambda layer: layer["config"].update(activation=function("keras.utils", "get_file")),
        "of keras.utils",
    ),
    "safe mode turned off": (
        lambda layer: layer["config"].update(activation=function("keras.config", "enable_unsafe_deserialization")),
        "of keras.config",
    ),
    "another file with code": (
        lambda layer: layer.update(module="keras.layers", class_name="TFSMLayer", config={"filepath": "saved"}),
        "a TFSMLayer layer",
    ),
    "pickled code": (
        lambda layer: layer.update(module="keras.layers", class_name="TorchModuleWrapper", config={"module": "gASVOg=="}),
        "a TorchModuleWrapper layer",
    ),
    "a lambda as an activation": (
        lambda layer: layer["config"].update(activation={"class_name": "__lambda__", "config": {"value": "4wEA"}}),
        "a Lambda layer",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_code_in_a_configuration_is_named_and_not_run(tampered, attack):
    change, words = ATTACKS[attack]
    path = tampered(change)
    for call in (name, build):
        with pytest.raises(ConfigError, match=words):
            call(path)


@pytest.mark.parametrize("attack", ATTACKS)
def test_safe_mode_alone_does_not_run_it_either(tampered, attack):
    path = tampered(ATTACKS[attack][0])
    with pytest.raises(Exception, match=r"."):
        keras.saving.load_model(path, compile=False, safe_mode=True)


def test_what_nobody_changed_has_no_problem(tampered):
    assert problem_of(Path(tampered(lambda layer: None))) == ""
    assert build("whole.keras").output_shape == (None, 2)


@pytest.mark.parametrize(
    "application", [keras.applications.MobileNet, keras.applications.EfficientNetV2B0, keras.applications.ConvNeXtTiny]
)
def test_networks_of_keras_have_no_problem(tmp_path, application):
    with keras.StatelessScope(initialize_variables=False):  # only the configuration is looked at
        model = application(weights=None, include_top=False, input_shape=SHAPE)
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", model.to_json())
    assert problem_of(tmp_path / "m.keras") == ""


def test_what_keras_itself_can_compute_has_no_problem(tmp_path):
    images = keras.Input(SHAPE)
    pixels = keras.layers.Normalization(mean=1.0, variance=2.0)(keras.ops.relu(images[..., :1] * 2 + 1))
    curved = keras.layers.Activation(keras.activations.gelu)(keras.layers.RandomFlip()(pixels))
    model = keras.Model(images, keras.layers.Dense(2, kernel_regularizer="l2", dtype="mixed_bfloat16")(curved))
    model.compile(keras.optimizers.Adam(), loss=keras.losses.BinaryCrossentropy(), metrics=[keras.metrics.AUC()])
    model.save(tmp_path / "m.keras")
    assert problem_of(tmp_path / "m.keras") == ""


@pytest.mark.parametrize("part", ["../outside", "/etc/outside", "assets/../../outside", "C:\\outside", "..\\outside"])
def test_a_part_that_would_be_unpacked_outside_is_refused(tampered, part):
    path = tampered(lambda layer: None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(part, "x")
    with pytest.raises(ConfigError, match="outside its folder"):
        name(path)


def test_a_link_in_an_archive_is_refused(tampered):
    path = tampered(lambda layer: None)
    link = zipfile.ZipInfo("assets/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ConfigError, match="is a link"):
        name(path)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (b"{", "JSONDecodeError"),
        (b"[" * 100_000, "RecursionError"),
        (b"\xff", "UnicodeDecodeError"),
        (b" " * (LARGEST_CONFIG + 1), "larger than"),
    ],
)
def test_a_configuration_that_is_none_is_no_crash(tmp_path, config, words):
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", config)
    with pytest.raises(ConfigError, match=words):
        name(tmp_path / "m.keras")
