"""Model files that somebody has tampered with: nothing in them runs, and what is wrong is said before Keras is asked."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import keras
import pytest

from cxrbench.plugin import ConfigError
from cxrbench_backbones.keras_archive import LARGEST_CONFIG, is_of_keras_2, problem_of
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


def write_as_keras_2_did(path, module, version="2.15.0", change=lambda layers: None):
    """Write a saved network as Keras 2 described it."""
    network().save("three.keras")
    with zipfile.ZipFile("three.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    config["module"] = module
    change(config["config"]["layers"])
    parts["config.json"] = json.dumps(config).encode()
    parts["metadata.json"] = json.dumps({"keras_version": version, "date_saved": "2023-11-29@19:30:57"}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return path


OLD_MODULES = ("keras.src.engine.functional", "keras.engine.functional", "tf_keras.src.engine.functional")


@pytest.mark.parametrize("module", OLD_MODULES)
def test_a_network_of_keras_2_is_named_with_what_to_do(tmp_path, monkeypatch, module):
    monkeypatch.chdir(tmp_path)
    path = write_as_keras_2_did("old.keras", module)
    for call in (name, build):
        with pytest.raises(ConfigError, match=r"old\.keras cannot be .*: it was saved by Keras 2") as error:
            call(path)
        assert "tf_keras.models.load_model('OLD').save('OLD.h5')" in str(error.value)
        assert "keras.saving.load_model('OLD.h5', compile=False).save('NEW.keras')" in str(error.value)


def test_layers_of_keras_2_that_keras_3_refuses_are_named_likewise(tmp_path, monkeypatch):
    def change(layers):
        layers[1]["config"]["experimental_option"] = True  # an argument that Keras 3 does not have

    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"old\.keras cannot be loaded: it was saved by Keras 2"):
        build(write_as_keras_2_did("old.keras", "keras.src.models.functional", change=change))
    with pytest.raises(ConfigError, match=r"new\.keras cannot be loaded: ") as error:
        build(write_as_keras_2_did("new.keras", "keras.src.models.functional", "3.4.1", change))
    assert "Keras 2" not in str(error.value)


def test_a_network_of_keras_2_that_keras_3_can_build_is_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert build(write_as_keras_2_did("old.keras", "keras.src.models.functional")).output_shape == (None, 2)


@pytest.mark.parametrize("metadata", [b"", b"[]", b"{}", b'{"keras_version": null}', b"\xff"])
def test_metadata_that_say_nothing_are_not_of_keras_2(tmp_path, metadata):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("metadata.json", metadata)
    assert not is_of_keras_2(tmp_path / "m.keras")
    assert not is_of_keras_2(tmp_path / "missing.keras")


def test_a_folder_and_a_file_of_hdf5_are_named_with_what_to_do(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"it is a SavedModel of TensorFlow, which Keras 3 does not load\. If you trust it"):
        name(tmp_path)
    (tmp_path / "empty.keras").mkdir()
    with pytest.raises(ConfigError, match=r"empty\.keras is a folder; expected a file that ends in \.keras"):
        name(tmp_path / "empty.keras")
    with pytest.raises(
        ConfigError, match=r"m\.h5 is HDF5, .* if you trust it, save it as \.keras with keras\.saving\.load_model"
    ):
        name(tmp_path / "m.h5")
