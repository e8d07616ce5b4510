from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from cxrbench.plugin import ConfigError, Unavailable
from cxrbench_backbones.chexnet import chexnet, load_weights, weights_file
from cxrbench_backbones.untrained import reinitialise

pytestmark = pytest.mark.slow  # DenseNet121 takes ten seconds to build and as long to load
SHAPE = (32, 32, 3)
LEGACY = "brucechou1983_CheXNet_Keras_0.3.0_weights.h5"
"""The name under which these weights circulate."""


def with_head(network, classes):
    head = keras.layers.Dense(classes, activation="sigmoid", name="predictions")
    return keras.Model(network.input, head(network.output))


def write_as_keras_2_did(model, path):
    """Write the layout of `save_weights` in Keras 2: a group a layer, their order in an attribute."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


def thin():
    """Return a network with the same kinds of layers that is saved and loaded in a tenth of the time."""
    return keras.applications.MobileNet(alpha=0.25, include_top=False, weights=None, input_shape=SHAPE, pooling="avg")


def unlike_new(network):
    """Give a network weights that no new network has, so that their order within a layer matters."""
    reinitialise(network, seed=4)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(layer.moving_mean + 0.1)
            layer.moving_variance.assign(layer.moving_variance * 1.5)
    return network


@pytest.fixture(scope="module")
def densenet():
    return unlike_new(keras.applications.DenseNet121(include_top=False, weights=None, input_shape=SHAPE, pooling="avg"))


@pytest.fixture(scope="module")
def mobilenet():
    return unlike_new(thin())


@pytest.fixture(scope="module")
def files(densenet, mobilenet, tmp_path_factory):
    """Return a folder with weights in every form, with the head that those in circulation have."""
    folder, model = tmp_path_factory.mktemp("chexnet"), with_head(mobilenet, 14)
    write_as_keras_2_did(with_head(densenet, 14), folder / LEGACY)
    model.save_weights(folder / "mobilenet.weights.h5")
    model.save(folder / "mobilenet.keras")
    return folder


def name(path, **options):
    return weights_file(**{"input_shape": SHAPE, "weights": str(path), **options})


def test_the_features_are_those_before_the_head(files, densenet):
    images = np.random.default_rng(0).uniform(0, 255, (2, *SHAPE)).astype(np.float32)
    expected = np.asarray(densenet(keras.applications.densenet.preprocess_input(images.copy())))
    features = np.asarray(chexnet(input_shape=SHAPE, weights=str(files / LEGACY), seed=0)(images))
    assert features.shape == (2, 1024)
    assert features.std() > 0.01
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("file", ["mobilenet.weights.h5", "mobilenet.keras"])
def test_every_form_of_the_file_gives_the_same_weights(files, mobilenet, file):
    filled = thin()
    load_weights(filled, files / file)
    for found, expected in zip(filled.get_weights(), mobilenet.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_bytes_of_the_file_are_part_of_the_features_name(files):
    download = name(files / "mobilenet.keras")
    assert Path(download.folder) / download.file_name == files / "mobilenet.keras"
    assert download.url.startswith("file:///")


@pytest.mark.parametrize("weights", ["imagenet", "none"])
def test_without_a_file_it_says_what_to_write(weights):
    with pytest.raises(Unavailable, match="chexnet:weights=FILE"):
        name(weights)


def test_what_is_no_file_of_weights_is_refused_without_keras(tmp_path):
    for path, reason in [("nowhere.h5", "there is no file"), ("page.h5", "no HDF5 file"), ("page.keras", "no Keras file")]:
        if path != "nowhere.h5":
            (tmp_path / path).write_text("<html>")
        with pytest.raises(ConfigError, match=reason):
            name(tmp_path / path)
    (tmp_path / "m.pth.tar").write_bytes(b"torch")
    with pytest.raises(ConfigError, match=r"must end in \.h5 or \.hdf5 or \.keras"):
        name(tmp_path / "m.pth.tar")


@pytest.mark.parametrize(("wrong", "save"), [("architecture", "keras 2"), ("head", "save_weights")])
def test_weights_of_something_else_are_refused(densenet, mobilenet, tmp_path, wrong, save):
    path = tmp_path / {"keras 2": "w.h5", "save_weights": "w.weights.h5"}[save]
    model = with_head(mobilenet, 15 if wrong == "head" else 14)
    {"keras 2": write_as_keras_2_did, "save_weights": keras.Model.save_weights}[save](model, path)
    with pytest.raises(ConfigError, match=r"does not hold the weights of DenseNet121 .* a head of 14 findings") as caught:
        load_weights(thin() if wrong == "head" else densenet, path)
    assert len(str(caught.value)) < 600


def test_a_file_cut_short_is_refused(files, densenet, tmp_path):
    whole = (files / LEGACY).read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    assert name(tmp_path / "cut.h5")
    with pytest.raises(ConfigError, match="does not hold"):
        load_weights(densenet, tmp_path / "cut.h5")


def test_a_home_folder_may_be_written_with_a_tilde(files, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copy(files / "mobilenet.keras", tmp_path)
    assert name("~/mobilenet.keras").folder == tmp_path
