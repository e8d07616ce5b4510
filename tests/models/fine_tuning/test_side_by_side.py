"""Several networks as one give the mean of their logits, in every use of a model."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from cxrbench.errors import ConfigError, CxrbenchError
from cxrbench.models.backend import layers_in
from cxrbench.models.classifier import make_classifier
from cxrbench.models.fine_tuning.network_file import NetworkWeights
from cxrbench.models.fine_tuning.side_by_side import join_backbones, join_networks
from cxrbench.models.formats.keras_file import SCORE, make_network, network_scores, problem_of, read_network, take_apart
from cxrbench.models.formats.map_output import MAP, with_map
from cxrbench.models.formats.onnx_file import write_onnx
from cxrbench.models.saliency.cut import cut_backbone
from cxrbench.models.saliency.exact import constants
from cxrbench.models.saliency.method import make_method
from cxrbench.models.saliency.randomised import random_heads, with_shuffled_top
from cxrbench.models.training.head_weights import random_head, split_head

pytestmark = pytest.mark.usefixtures("tensorflow_ready")

COUNT, SIZE = 3, 32


def small_backbone(seed):
    keras.utils.set_random_seed(seed)
    images = keras.Input((SIZE, SIZE, 3))
    maps = layers.Conv2D(6, 3, strides=4, activation="relu", name="conv")(layers.Rescaling(1 / 255)(images))
    maps = layers.Conv2D(8, 3, strides=2, activation="relu", name="top")(maps)
    return keras.Model(images, layers.GlobalAveragePooling2D()(maps), name="small")


def normalised_backbone(backbone):
    return keras.Model(backbone.inputs[0], layers.LayerNormalization()(backbone.outputs[0]))


def classifier_of(backbone, head):
    return make_classifier("small", backbone, head, 0.5, size=SIZE, resize="stretch")


@pytest.fixture(scope="module")
def networks():
    generator = np.random.default_rng(0)
    heads = [random_head(8, 16, generator) for _ in range(COUNT)]
    biased = [tuple(part + generator.normal(0, 0.1, part.shape).astype(np.float32) for part in head) for head in heads]
    return [(small_backbone(seed), head) for seed, head in enumerate(biased)]


@pytest.fixture(scope="module")
def joined(networks):
    return classifier_of(*join_networks(networks))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (5, SIZE, SIZE), dtype=np.uint8)


@pytest.fixture(scope="module")
def expected(networks, images):
    """Return the mean of the logits of the networks, one by one."""
    return np.mean([classifier_of(*network).logits(images) for network in networks], axis=0)


def test_the_logit_is_the_mean_of_those_of_the_networks(joined, images, expected):
    assert np.ptp(expected) > 0.01
    assert np.allclose(joined.logits(images), expected, atol=1e-5)


def test_they_are_one_keras_file(joined, images, expected, tmp_path):
    assert problem_of(joined.backbone) == ""
    make_network(joined).save(tmp_path / "model.keras")
    network = read_network(tmp_path / "model.keras", within=tmp_path)
    assert np.allclose(network_scores(network, images), 1 / (1 + np.exp(-expected)), atol=1e-5)
    assert np.allclose(classifier_of(*take_apart(network)).logits(images), expected, atol=1e-5)


def test_their_weights_are_those_of_the_networks_in_order(networks, joined, images, expected):
    arrays = [array for backbone, _ in networks for array in backbone.get_weights()]
    weights = NetworkWeights(backbone=joined.backbone.get_weights(), head=joined.head)
    assert all(np.array_equal(one, other) for one, other in zip(weights.backbone, arrays, strict=True))
    again = weights.on(join_backbones([small_backbone(7) for _ in range(COUNT)]), "small")
    assert np.allclose(classifier_of(again, weights.head).logits(images), expected, atol=1e-5)
    with pytest.raises(CxrbenchError, match=r"small: the plugin builds another network here: 8 arrays"):
        weights.on(join_backbones([small_backbone(7) for _ in range(2)]), "small")


def test_too_many_networks_are_refused_in_words(networks):
    wide = (networks[0][0], random_head(2**15, 512, np.random.default_rng(0)))
    with pytest.raises(ConfigError, match="4 networks of this size are too many for one model"):
        join_networks([wide] * 4)


def test_networks_in_bfloat16_give_float32_features(images):
    with layers_in("bfloat16"):
        backbones = [small_backbone(seed) for seed in range(COUNT)]
    heads = [random_head(8, 16, np.random.default_rng(seed)) for seed in range(COUNT)]
    joined = classifier_of(*join_networks(list(zip(backbones, heads, strict=True))))
    assert joined.backbone.output.dtype == "float32"
    each = [classifier_of(*one).logits(images) for one in zip(backbones, heads, strict=True)]
    assert np.allclose(joined.logits(images), np.mean(each, axis=0), atol=1e-2)


def test_the_exact_map_and_its_constant_are_the_logit(joined, images, expected):
    method = make_method(joined, "exact", images[0])
    observed = method.observed(images)
    assert observed.shape == (5, 3, 3, 8 * COUNT)
    sums = method.explain(joined.head, observed).sum(axis=(1, 2)) + constants(joined.head, observed)
    assert np.allclose(sums, expected, atol=1e-4)


def test_both_parts_of_the_cut_make_the_features(networks):
    normalised = [(normalised_backbone(backbone), head) for backbone, head in networks]
    backbone, _ = join_networks(normalised)
    cut, pixels = cut_backbone(backbone), np.random.default_rng(2).uniform(0, 255, (2, SIZE, SIZE, 3)).astype(np.float32)
    tensor = cut.front(pixels)
    for operation in cut.tail:
        tensor = operation(tensor)
    assert np.allclose(tensor, backbone(pixels), atol=1e-5)


def test_grad_cam_of_one_network_is_that_of_its_own_maps(networks, joined, images):
    of_all = make_method(joined, "grad-cam", images[0])
    own = make_method(classifier_of(*networks[1]), "grad-cam", images[0])
    head = split_head(joined.head, COUNT)[1]
    found = of_all.explain(head, of_all.observed(images))
    assert np.allclose(found, own.explain(networks[1][1], own.observed(images)), atol=1e-5)
    assert found.max() > 0


def test_an_onnx_file_has_the_map_of_every_network(joined, images, expected, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    write_onnx(with_map(make_network(joined)), tmp_path / "model.onnx", {})
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    scores, maps = session.run([SCORE, MAP], {"image": images[..., None].astype(np.float32)})
    assert np.allclose(scores[:, 0], 1 / (1 + np.exp(-expected)), atol=1e-5)
    method = make_method(joined, "exact", images[0])
    assert np.allclose(maps, method.explain(joined.head, method.observed(images)), atol=1e-5)


def test_random_heads_see_the_features_of_their_own_network(joined):
    heads = split_head(joined.head, COUNT)
    kernel = next(iter(random_heads(heads)))[0]
    trained = joined.head[0]
    assert np.array_equal(kernel != 0, trained != 0)
    assert not np.allclose(kernel, trained)


def test_the_upper_layers_of_every_network_are_shuffled(joined, images):
    method = make_method(joined, "exact", images[0])
    before = method.observed(images).mean(axis=(0, 1, 2)).reshape(COUNT, 8)
    shuffled = method.observe(with_shuffled_top(method.network, 0.5), images).mean(axis=(0, 1, 2)).reshape(COUNT, 8)
    assert (np.abs(before - shuffled).max(axis=1) > 1e-3).all()
