from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from cxrbench.plugin import ConfigError, Unavailable
from cxrbench_backbones.keras_file import keras_file, model_file

SHAPE = (32, 32, 3)


def classifier(shape=SHAPE):
    """A small network with a classification head; its maps are called `maps`, its features `embedding`."""
    images = keras.Input(shape)
    maps = keras.layers.Conv2D(4, 3, name="maps")(images)
    vector = keras.layers.Dense(6, name="embedding")(keras.layers.GlobalAveragePooling2D()(maps))
    return keras.Model(images, keras.layers.Dense(1, activation="sigmoid", name="head")(vector))


def saved(model, path):
    model.save(path)
    return str(path)


def build(path, **options):
    return keras_file(**{"input_shape": SHAPE, "weights": "imagenet", "seed": 0, "path": str(path), **options})


def name(path="", **options):
    return model_file(**{"input_shape": SHAPE, "weights": "imagenet", "path": str(path), **options})


def pixels(number=2):
    return np.random.default_rng(0).uniform(0, 255, (number, *SHAPE)).astype(np.float32)


def test_a_layer_names_what_the_features_are(tmp_path):
    model = classifier()
    path = saved(model, tmp_path / "m.keras")
    expected = keras.Model(model.input, model.get_layer("embedding").output)(pixels())
    found = build(path, layer="embedding")
    np.testing.assert_allclose(np.asarray(found(pixels())), np.asarray(expected), rtol=1e-5)
    assert not found.trainable_weights


def test_without_a_layer_the_output_is_taken_and_maps_averaged(tmp_path):
    model = classifier()
    path = saved(model, tmp_path / "m.keras")
    np.testing.assert_allclose(np.asarray(build(path)(pixels())), np.asarray(model(pixels())), rtol=1e-5)
    maps = keras.Model(model.input, model.get_layer("maps").output)
    expected = np.asarray(maps(pixels())).mean(axis=(1, 2))
    headless = saved(maps, tmp_path / "maps.keras")
    np.testing.assert_allclose(np.asarray(build(headless)(pixels())), expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(np.asarray(build(path, layer="maps")(pixels())), expected, rtol=1e-4, atol=1e-3)


def test_a_grey_model_of_any_size_gets_one_channel(tmp_path):
    model = classifier((None, None, 1))
    path = saved(model, tmp_path / "grey.keras")
    found = np.asarray(build(path, preprocessing="rescale")(pixels()))
    np.testing.assert_allclose(found, np.asarray(model(pixels()[..., :1] / 255)), rtol=1e-5)


def test_a_sequential_model_and_a_nested_one_are_models_too(tmp_path):
    network = keras.Sequential([keras.Input(SHAPE), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(3, 3)], name="inside")
    whole = keras.Sequential([network, keras.layers.Flatten(), keras.layers.Dense(2)])
    whole.build((None, *SHAPE))
    path = saved(whole, tmp_path / "s.keras")
    np.testing.assert_allclose(np.asarray(build(path)(pixels())), np.asarray(whole(pixels())), rtol=1e-4, atol=1e-5)
    assert build(path, layer="inside").output_shape == (None, 3)


def test_the_bytes_of_the_file_are_part_of_the_features_name(tmp_path):
    path = saved(classifier(), tmp_path / "m.keras")
    download = name(path)
    assert download.folder / download.file_name == tmp_path / "m.keras"


def test_a_lambda_is_not_run(tmp_path):
    ran = str(tmp_path / "ran")
    images = keras.Input(SHAPE)
    code = keras.layers.Lambda(lambda maps, path: (__import__("os").mkdir(path), maps[:, 0, 0])[1], arguments={"path": ran})
    path = saved(keras.Model(images, code(images)), tmp_path / "m.keras")
    Path(ran).rmdir()
    with pytest.raises(ConfigError, match="Lambda layer"):
        build(path)
    assert not Path(ran).exists()


def several_inputs():
    inputs = [keras.Input(SHAPE), keras.Input(SHAPE)]
    return keras.Model(inputs, keras.layers.Flatten()(keras.layers.Add()(inputs)))


def several_outputs():
    images = keras.Input(SHAPE)
    return keras.Model(images, [keras.layers.Flatten()(images), keras.layers.GlobalAveragePooling2D(name="mean")(images)])


@pytest.mark.parametrize(
    ("make", "options", "reason"),
    [
        (several_inputs, {}, "has 2 inputs"),
        (several_outputs, {}, "has 2 outputs: .*layer=NAME"),
        (lambda: classifier((64, 64, 3)), {}, "takes images of 64x64, not 32x32: use --image-size 64"),
        (lambda: classifier((64, 32, 3)), {}, "takes images of 64x32, not 32x32"),
        (lambda: classifier((32, 32, 2)), {}, "1 or 3 channels"),
        (lambda: keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)]), {}, "takes .None, 8."),
        (lambda: keras.Sequential([keras.Input(SHAPE), keras.layers.Reshape((32, 96))]), {}, r"puts out \(None, 32, 96\)"),
        (classifier, {"layer": "embeding"}, "no layer 'embeding'; .*embedding, head"),
    ],
)
def test_a_model_that_is_no_backbone_is_refused(tmp_path, make, options, reason):
    path = saved(make(), tmp_path / "m.keras")
    with pytest.raises(ConfigError, match=reason):
        build(path, **options)


def test_one_of_several_outputs_can_be_named(tmp_path):
    path = saved(several_outputs(), tmp_path / "m.keras")
    np.testing.assert_allclose(np.asarray(build(path, layer="mean")(pixels())), pixels().mean(axis=(1, 2)), rtol=1e-4)


def test_layers_of_somebodys_own_are_refused(tmp_path):
    class Own(keras.layers.Layer):
        def call(self, images):
            return images[:, 0, 0]

    images = keras.Input(SHAPE)
    path = saved(keras.Model(images, Own()(images)), tmp_path / "m.keras")
    with pytest.raises(ConfigError, match=r"m\.keras cannot be loaded: .*Own"):
        build(path)


def test_what_cannot_be_a_model_file_is_refused_without_keras(tmp_path):
    for file in ("m.keras", "m.h5"):
        (tmp_path / file).write_text("<html>")
    for path, reason in [
        ("nowhere.keras", "there is no file"),
        ("m.keras", "no Keras file"),
        ("m.h5", r"save it as \.keras"),
        ("m", "there is no file"),
    ]:
        with pytest.raises(ConfigError, match=reason):
            name(tmp_path / path)
    with pytest.raises(ConfigError, match="leave weights=none out"):
        name(tmp_path / "m.keras", weights="none")
    with pytest.raises(Unavailable, match=r"keras-file:path=MODEL\.keras"):
        name()
