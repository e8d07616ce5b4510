"""A classifier as one Keras network: what goes in, what is kept, and which backbones and files are refused."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from cxrbench.errors import ConfigError, CxrbenchError
from cxrbench.models.classifier import make_classifier
from cxrbench.models.formats.keras_file import make_network, network_scores, problem_of, read_network, take_apart
from cxrbench.models.formats.map_output import with_map

pytestmark = pytest.mark.usefixtures("tensorflow_ready")
SIZE, WIDTH, UNITS = 32, 5, 7


@pytest.fixture(scope="module")
def head():
    generator = np.random.default_rng(3)
    shapes = ((WIDTH, UNITS), (UNITS,), (UNITS, 1), (1,))
    return tuple(generator.normal(size=shape).astype(np.float32) for shape in shapes)


@pytest.fixture(scope="module")
def classifier(tensorflow_ready, head):
    return make_classifier("small", convolutional(tensorflow_ready), head, 0.5, size=SIZE, resize="stretch")


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (6, SIZE, SIZE), dtype=np.uint8)


def convolutional(keras, *more):
    """Return a backbone whose features are the mean of its last maps, inside a nested network as in Keras Applications."""
    keras.utils.set_random_seed(1)
    pixels = keras.Input((SIZE, SIZE, 3))
    maps = keras.layers.Conv2D(WIDTH, 3, strides=4, activation="relu")(pixels)
    inner = keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(maps))
    given = keras.Input((SIZE, SIZE, 3))
    features = inner(keras.layers.Rescaling(1 / 127.5, -1)(given))
    for layer in more:
        features = layer(features)
    return keras.Model(given, features)


def test_a_network_gives_the_scores_of_its_classifier(classifier, images):
    scores = network_scores(make_network(classifier), images)
    assert scores.std() > 0.01
    np.testing.assert_allclose(scores, classifier.scores(images), atol=1e-6)


def test_grey_and_three_equal_channels_give_equal_bits(classifier, images):
    network = make_network(classifier)
    grey = images[..., None].astype(np.float32)
    np.testing.assert_array_equal(network.predict(grey, verbose=0), network.predict(np.repeat(grey, 3, -1), verbose=0))


def test_colours_are_reduced_to_their_luma(classifier):
    colours = np.random.default_rng(5).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    luma = np.asarray(Image.fromarray(colours).convert("L"))
    score = make_network(classifier).predict(colours[None].astype(np.float32), verbose=0)[0, 0]
    assert score == pytest.approx(classifier.scores(luma[None])[0], abs=1e-3)  # Pillow rounds the luma of each pixel
    other = classifier.scores(colours.mean(axis=-1).astype(np.uint8)[None])[0]
    assert abs(score - other) > 1e-3


def test_a_file_gives_back_the_same_backbone_and_head(classifier, images, head, tmp_path):
    make_network(classifier).save(tmp_path / "model.keras")
    backbone, found = take_apart(read_network(tmp_path / "model.keras", within=tmp_path))
    for mine, stored in zip(head, found, strict=True):
        np.testing.assert_array_equal(mine, stored)
    again = make_classifier("small", backbone, found, 0.5, size=SIZE, resize="stretch")
    np.testing.assert_array_equal(again.logits(images), classifier.logits(images))


def test_backbones_that_keras_alone_cannot_build_are_named(tensorflow_ready):
    keras = tensorflow_ready

    class Own(keras.layers.Layer):
        def call(self, values):
            return values

    inputs = keras.Input((SIZE, SIZE, 3))
    two = keras.Model(inputs, [keras.layers.Flatten()(inputs), keras.layers.GlobalAveragePooling2D()(inputs)])
    assert problem_of(convolutional(keras)) == ""
    assert "contains Own of" in problem_of(convolutional(keras, Own()))
    assert "contains a Lambda layer" in problem_of(convolutional(keras, keras.layers.Lambda(lambda values: values)))
    assert "several inputs or outputs" in problem_of(two)
    assert "not a functional or Sequential" in problem_of(keras.layers.GlobalAveragePooling2D())
    assert "is a function of the plugin" in problem_of(lambda images: images)


def test_a_file_with_code_is_refused_before_keras_reads_it(classifier, tmp_path, tensorflow_ready):
    path, planted = tmp_path / "model.keras", tmp_path / "planted"
    make_network(classifier).save(path)
    replace_layer(
        path, {"class_name": "Lambda", "module": "keras.layers", "config": {"name": "luma", "function": str(planted)}}
    )
    with pytest.raises(CxrbenchError, match="a Lambda layer"):
        read_network(path, within=tmp_path)
    replace_layer(path, {"class_name": "Popen", "module": "subprocess", "config": {"args": f"touch {planted}"}})
    with pytest.raises(CxrbenchError, match="Popen of subprocess"):
        read_network(path, within=tmp_path)
    replace_layer(path, {"class_name": "get_file", "module": "keras.utils", "config": {"origin": "http://localhost/"}})
    with pytest.raises(CxrbenchError, match=r"get_file of keras\.utils"):
        read_network(path, within=tmp_path)
    assert not planted.exists()


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_what_is_no_network_is_refused(content, tmp_path):
    (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(CxrbenchError, match=r"model\.keras is refused: it is not a Keras file"):
        read_network(tmp_path / "model.keras", within=tmp_path)


def test_another_keras_model_is_refused(tmp_path, tensorflow_ready):
    convolutional(tensorflow_ready).save(tmp_path / "model.keras")
    with pytest.raises(CxrbenchError, match="it is not a network of cxrbench"):
        read_network(tmp_path / "model.keras", within=tmp_path)


def test_the_map_output_is_the_formula_and_sums_to_the_logit(classifier, images, head):
    found = with_map(make_network(classifier)).predict(images[..., None].astype(np.float32), verbose=0)
    hidden_kernel, hidden_bias, output_kernel, output_bias = (one.astype(np.float64) for one in head)
    inner = next(layer for layer in classifier.backbone.layers if hasattr(layer, "layers"))
    convolution = next(layer for layer in inner.layers if "conv" in layer.name)
    scaled = np.repeat(images[..., None], 3, -1).astype(np.float32) / 127.5 - 1
    maps = np.asarray(convolution(scaled), dtype=np.float64)
    active = maps.mean(axis=(1, 2)) @ hidden_kernel + hidden_bias > 0
    gradients = (active * output_kernel[:, 0]) @ hidden_kernel.T
    expected = (maps * gradients[:, None, None, :]).sum(-1) / (maps.shape[1] * maps.shape[2])
    np.testing.assert_allclose(found["map"], expected, atol=1e-5)
    constant = output_bias[0] + active @ (output_kernel[:, 0] * hidden_bias)
    np.testing.assert_allclose(found["map"].sum(axis=(1, 2)) + constant, classifier.logits(images), atol=1e-4)
    np.testing.assert_allclose(found["score"][:, 0], classifier.scores(images), atol=1e-6)


def test_a_backbone_without_a_mean_of_maps_has_no_map_output(tensorflow_ready, head):
    inputs = tensorflow_ready.Input((SIZE, SIZE, 3))
    flat = tensorflow_ready.layers.Flatten()(tensorflow_ready.layers.Conv2D(WIDTH, 3, strides=8)(inputs))
    wide = (np.zeros((flat.shape[-1], UNITS), dtype=np.float32), *head[1:])
    flattened = make_classifier("flat", tensorflow_ready.Model(inputs, flat), wide, 0.5, size=SIZE, resize="stretch")
    with pytest.raises(ConfigError, match="80 features, but 5 feature maps"):
        with_map(make_network(flattened))


def change_config(path, change):
    """Rewrite the configuration inside a Keras file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = json.dumps(change(json.loads(members["config.json"]))).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def replace_layer(path, layer):
    """Put a layer of another person in the place of the second layer of a network."""

    def replaced(config):
        config["config"]["layers"][1] |= layer
        return config

    change_config(path, replaced)
