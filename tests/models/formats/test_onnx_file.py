"""Keras models as ONNX files: the same outputs under the same names, with facts about the model inside."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from cxrbench.errors import CxrbenchError, MissingRequirement
from cxrbench.models.formats.onnx_file import read_onnx_metadata, write_onnx

onnxruntime = pytest.importorskip("onnxruntime", reason="needs pip install 'cxrbench[onnx]'")
SIZE = 16
FACTS = {"threshold": "0.25", "classes": '["NORMAL", "PNEUMONIA"]', "note": "Röntgen"}


@pytest.fixture(scope="module")
def layers(tensorflow_ready):
    """Return an input called `image` and three tensors that a head with a map has."""
    keras = tensorflow_ready
    image = keras.Input((SIZE, SIZE, 1), name="image")
    pixels = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    maps = keras.layers.Conv2D(4, 3, activation="relu", kernel_initializer=keras.initializers.HeNormal(1), name="maps")(pixels)
    vector = keras.layers.GlobalAveragePooling2D()(maps)
    logit = keras.layers.Dense(1, kernel_initializer=keras.initializers.HeNormal(2), name="number")(vector)
    return image, {"score": keras.layers.Activation("sigmoid", name="chance")(logit), "logit": logit, "map": maps}


@pytest.fixture(scope="module")
def model(tensorflow_ready, layers):
    return tensorflow_ready.Model(*layers)


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    write_onnx(model, path, FACTS)
    return path


def start(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_batches_of_any_size_have_the_outputs_of_keras(model, written):
    session = start(written)
    for number in (1, 3, 32):
        images = np.random.default_rng(number).uniform(0, 255, (number, SIZE, SIZE, 1)).astype(np.float32)
        found = session.run(["score", "logit", "map"], {"image": images})
        expected = model(images)
        assert [array.shape for array in found] == [(number, 1), (number, 1), (number, SIZE - 2, SIZE - 2, 4)]
        for name, array in zip(("score", "logit", "map"), found, strict=True):
            np.testing.assert_allclose(array, np.asarray(expected[name]), rtol=1e-5, atol=1e-5)


def test_inputs_and_outputs_keep_names_and_order(written):
    session = start(written)
    assert [(one.name, one.shape) for one in session.get_inputs()] == [("image", ["batch", SIZE, SIZE, 1])]
    assert [(one.name, one.shape[0]) for one in session.get_outputs()] == [
        (name, "batch") for name in ("score", "logit", "map")
    ]


def test_facts_are_read_back_by_onnx_runtime_and_here(written):
    assert start(written).get_modelmeta().custom_metadata_map == FACTS
    assert read_onnx_metadata(written) == FACTS


def test_outputs_in_a_list_have_the_names_of_their_layers(tensorflow_ready, layers, tmp_path):
    image, tensors = layers
    write_onnx(tensorflow_ready.Model(image, [tensors["score"], tensors["logit"]]), tmp_path / "m.onnx", {})
    assert [one.name for one in start(tmp_path / "m.onnx").get_outputs()] == ["chance", "number"]
    assert read_onnx_metadata(tmp_path / "m.onnx") == {}


def test_writing_prints_and_leaves_nothing_else(model, tmp_path, capfd):
    (tmp_path / "model.onnx").write_text("of an earlier run")
    write_onnx(model, tmp_path / "model.onnx", {})
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert start(tmp_path / "model.onnx")


def test_what_onnx_cannot_hold_is_refused_and_nothing_written(tensorflow_ready, tmp_path, capfd):
    keras = tensorflow_ready

    class Unknown(keras.layers.Layer):
        def call(self, images):
            import tensorflow as tf

            return tf.linalg.svd(images, compute_uv=False)[:, :, 0]

    image = keras.Input((4, 4, 1))
    small = keras.layers.Conv2D(2, 3, dtype="bfloat16")
    for layer, reason in ((Unknown(), "Svd"), (small, "bfloat16")):
        with pytest.raises(CxrbenchError, match=f"cannot be written as ONNX: .*{reason}.*must be float32"):
            write_onnx(keras.Model(image, layer(image)), tmp_path / "m.onnx", {})
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_onnx_is_named(tmp_path):
    (tmp_path / "m.onnx").write_text("<html>")
    for name, reason in (("m.onnx", "is not an ONNX file"), ("nowhere.onnx", "cannot be read: No such file")):
        with pytest.raises(CxrbenchError, match=rf"{name} {reason}"):
            read_onnx_metadata(tmp_path / name)


@pytest.mark.parametrize("package", ["onnx", "tf2onnx"])
def test_a_missing_package_is_named_with_the_extra(model, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingRequirement, match=rf"need {package}, .*pip install 'cxrbench\[onnx\]'"):
        write_onnx(model, tmp_path / "m.onnx", {})
