from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from cxrbench.models.saliency.method import make_method
from cxrbench.models.saliency.randomised import random_heads, with_shuffled_top
from cxrbench.models.saliency.trust import FRAME_AREA, Trust, correlation, frame_share, measure_trust, sentences
from cxrbench.models.training.head_weights import logits_of, mean_head, split_head

CELLS = arrays(np.float64, (5, 6), elements=some.integers(-9, 9).map(float))


@given(count=some.integers(1, 4), seed=some.integers(0, 99))
def test_a_mean_of_heads_is_split_into_heads_with_that_mean(heads, count, seed):
    drawn = heads(5, units=7, count=count, seed=seed)
    mean = mean_head(drawn)
    parts = split_head(mean, count)
    features = np.random.default_rng(seed).normal(size=(9, 5)).astype(np.float32)
    for part, head in zip(parts, drawn, strict=True):
        assert np.allclose(logits_of(part, features) - part[3], logits_of(head, features) - head[3], atol=1e-5)
    assert all(np.allclose(one, other, atol=1e-7) for one, other in zip(mean_head(parts), mean, strict=True))


@given(rows=some.integers(1, 40), columns=some.integers(1, 40))
def test_an_even_map_has_the_frames_area_in_the_frame(rows, columns):
    assert frame_share(np.full((rows, columns), -2.0)) == pytest.approx(FRAME_AREA)


def test_share_in_the_frame_of_single_cells():
    corner, middle = np.zeros((7, 7)), np.zeros((7, 7))
    corner[0, 6], middle[3, 3] = -3, 1
    assert frame_share(corner) == pytest.approx(1 - (1 - 7 * 3 / 32) ** 2)
    assert frame_share(middle) == frame_share(np.zeros((7, 7))) == 0


@given(values=CELLS)
def test_correlation_knows_order_alone(values):
    expected = 0 if np.ptp(values) == 0 else 1
    assert correlation(values, values) == pytest.approx(expected)
    assert correlation(values, -values) == pytest.approx(-expected)
    assert correlation(values, values**3 + 5) == pytest.approx(expected)


def test_random_heads_are_of_the_same_make_and_differ(heads):
    trained = heads(5, units=7, count=3)
    drawn = list(random_heads(trained, 4))
    shapes = [part.shape for part in mean_head(trained)]
    assert all([part.shape for part in head] == shapes for head in drawn)
    assert len({head[0].tobytes() for head in drawn}) == 4
    assert list(random_heads(trained, 4))[3][0].tobytes() == drawn[3][0].tobytes()


def test_shuffling_changes_the_upper_layers_of_a_copy(tensorflow_ready):
    pairs = [(f"layer_{number}", keras.layers.Conv2D(3, 3, padding="same", name=f"layer_{number}")) for number in range(4)]
    model = keras.Sequential([keras.Input((8, 8, 3)), *(layer for _, layer in pairs)])
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    coloured = np.repeat(images, 3, axis=-1)
    before, weights = model(coloured).numpy(), [weight.copy() for weight in model.get_weights()]
    outputs = [with_shuffled_top(model, share)(images) for share in (0.0, 0.25, 1.0)]
    assert np.allclose(outputs[0], before, atol=1e-6)
    assert not np.allclose(outputs[1], before)
    assert not np.allclose(outputs[2], outputs[1])
    assert all(np.array_equal(*pair) for pair in zip(weights, model.get_weights(), strict=True))


def test_equal_heads_agree_and_trained_ones_differ_from_random(mobilenet_classifier, real_images, heads):
    method = make_method(mobilenet_classifier, "exact", real_images[0])
    head = heads(256, count=1)[0]
    trust = measure_trust(method, [head, head], real_images[:3])
    assert (trust.images, trust.heads, trust.between_heads) == (3, 2, pytest.approx(1))
    assert list(trust.random_backbone) == ["25%", "50%", "75%", "100%"]
    assert all(value < 0.9 for value in (trust.random_head, *trust.random_backbone.values()))
    assert 0 < trust.outer_frame < 1


def test_one_head_of_a_callable_is_measured_as_far_as_it_goes(classify, noise):
    classifier = classify(lambda images: images[:, ::8, ::8, 0].reshape(len(images), -1), 16)
    method = make_method(classifier, "occlusion", noise(1)[0])
    trust = measure_trust(method, [classifier.head], noise(2))
    assert (trust.between_heads, trust.random_backbone) == (None, {})
    assert not any("Random backbone" in sentence for sentence in sentences(trust))


def test_sentences_say_what_fails():
    values = {"images": 8, "heads": 3, "between_heads": 0.2, "random_head": 0.8, "outer_frame": 0.5}
    said = "\n".join(sentences(Trust(random_backbone={"25%": 0.6, "100%": 0.5}, **values)))
    assert "They disagree" in said
    assert "fail this check: they hardly depend on what the head learnt" in said
    assert "0.60 (25%), 0.50 (100%). The maps depend only in part on what the backbone learnt" in said
    assert "50% of the maps lies in the outer frame, which is 34% of the image. More than its area" in said


def test_a_backbone_with_random_layers_can_be_shuffled():
    images = keras.Input((32, 32, 3))
    maps = keras.layers.Dropout(0.5)(keras.layers.Conv2D(4, 3, name="conv")(images))
    network = keras.Model(images, maps)
    assert len(network.variables) > len(network.weights)
    grey = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 1)).astype(np.float32)
    shuffled = with_shuffled_top(network, 1.0)(grey)
    assert shuffled.shape == (2, 30, 30, 4)
    assert not np.allclose(shuffled, network(np.repeat(grey, 3, axis=-1)))
