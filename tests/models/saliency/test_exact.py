"""The exact map against an independent Grad-CAM, and against the logit that it must add up to."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow
from hypothesis import given
from hypothesis import settings as at_most
from hypothesis import strategies as some

from cxrbench.models.saliency.cut import cut_backbone
from cxrbench.models.saliency.exact import constants, exact_maps, near_zero
from cxrbench.models.saliency.grad_cam import grad_cam
from cxrbench.models.saliency.method import make_method

pytestmark = pytest.mark.usefixtures("tensorflow_ready")


def reference_grad_cam(network, layer, head, inputs):
    """Return Grad-CAM before its ReLU as people write it: a tape over one model of network and head."""
    hidden_kernel, hidden_bias, output_kernel, output_bias = head
    hidden, output = keras.layers.Dense(len(hidden_bias), activation="relu"), keras.layers.Dense(1)
    model = keras.Model(network.input, [network.get_layer(layer).output, output(hidden(network.output))])
    hidden.set_weights([hidden_kernel, hidden_bias])
    output.set_weights([output_kernel, output_bias])
    with tensorflow.GradientTape() as tape:
        inputs = tensorflow.constant(inputs)
        tape.watch(inputs)
        maps, logits = model(inputs, training=False)
    weights = tensorflow.reduce_mean(tape.gradient(logits, maps), axis=(1, 2))
    return tensorflow.einsum("nhwd,nd->nhw", maps, weights).numpy(), logits.numpy()[:, 0]


def test_equals_tape_and_sums_to_logit_on_real_images(mobilenet_classifier, real_images):
    classifier, head = mobilenet_classifier, mobilenet_classifier.head
    method = make_method(classifier, "exact", real_images[0])
    observed = method.observed(real_images)
    maps = method.explain(head, observed)
    network = classifier.backbone.layers[-2]
    inputs = np.repeat(real_images[..., None].astype(np.float32), 3, axis=-1) / 127.5 - 1
    expected, logits = reference_grad_cam(network, "conv_pw_13_relu", head, inputs)
    assert maps.shape == (40, 7, 7)
    assert np.abs(maps - expected).max() < 1e-5 < np.abs(expected).max()
    sums = maps.sum(axis=(1, 2)) + constants(head, observed)
    assert np.abs(sums - logits).max() < 1e-4
    assert np.abs(sums - classifier.logits(real_images)).max() < 1e-4


@given(
    filters=some.integers(1, 6),
    sides=some.tuples(some.integers(1, 4), some.integers(1, 4)),
    seed=some.integers(0, 99),
)
@at_most(max_examples=50)
def test_map_and_constant_add_up_to_the_logit(heads, filters, sides, seed):
    head = heads(filters, units=8, count=1, seed=seed)[0]
    maps = np.random.default_rng(seed).normal(size=(3, *sides, filters)).astype(np.float32)
    features = maps.mean(axis=(1, 2), dtype=np.float64)
    logits = np.maximum(features @ head[0] + head[1], 0) @ head[2][:, 0] + head[3][0]
    assert np.allclose(exact_maps(head, maps).sum(axis=(1, 2)) + constants(head, maps), logits, atol=1e-6)


@given(depth=some.integers(1, 3), kernel=some.sampled_from([1, 3]), seed=some.integers(0, 99))
@at_most(max_examples=6)
def test_small_networks_have_exact_maps(classify, noise, depth, kernel, seed):
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Conv2D(4, kernel, strides=2, padding="same", activation="relu") for _ in range(depth)]
    scaling, pooling = keras.layers.Rescaling(1 / 255), keras.layers.GlobalAveragePooling2D()
    classifier = classify(keras.Sequential([keras.Input((32, 32, 3)), scaling, *layers, pooling]), 4, seed=seed)
    images = noise(3, seed=seed)
    method = make_method(classifier, "exact", images[0])
    observed = method.observed(images)
    maps = method.explain(classifier.head, observed)
    sums = maps.sum(axis=(1, 2)) + constants(classifier.head, observed)
    assert np.abs(sums - classifier.logits(images)).max() < 1e-5
    tail = cut_backbone(classifier.backbone).tail
    assert np.allclose(grad_cam(tail, classifier.head, observed), maps, atol=1e-6)


def test_grad_cam_shows_only_what_speaks_for_the_positive_class(mobilenet_classifier, real_images):
    images, head = real_images[:8], mobilenet_classifier.head
    shown = {name: make_method(mobilenet_classifier, name, images[0]) for name in ("exact", "grad-cam")}
    exact, rectified = (method.explain(head, method.observed(images)) for method in shown.values())
    assert (exact < 0).any()
    assert np.allclose(rectified, np.maximum(exact, 0), atol=1e-6)


def test_hidden_units_near_zero_are_counted():
    head = (np.eye(4, dtype=np.float32), np.zeros(4, np.float32), np.ones((4, 1), np.float32), np.zeros(1, np.float32))
    maps = np.array([[100, -0.5, 100, 0.5], [1, 1, 1, 1]], np.float32)[:, None, None]
    assert near_zero(head, maps).tolist() == [0.5, 0]
