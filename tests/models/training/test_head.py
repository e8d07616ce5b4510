from __future__ import annotations

import keras
import numpy as np
import pytest

from cxrbench.models.training.head import NOISE_LEVELS, UNITS, Head, NoiseDropout, noise
from cxrbench.plugin.contracts import CrossEntropy, Focal

pytestmark = pytest.mark.usefixtures("tensorflow_ready")

WIDTH, BATCH, RATE = 5, 16, 1e-3


def rows(number=70, seed=0):
    """Return features, labels and weights; 70 rows make four batches and a part of one."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(number, WIDTH)).astype(np.float32)
    labels = (features[:, 0] + generator.normal(size=number) > 0).astype(np.float32)
    return features, labels, generator.uniform(0.2, 3, number).astype(np.float32)


def fresh(loss=None, *, seed=1, dropout=0.0, learning_rate=RATE):
    head = Head(WIDTH, loss or CrossEntropy(), BATCH)
    head.reset(seed=seed, learning_rate=learning_rate, dropout=dropout)
    return head


def content(head):
    return b"".join(weight.tobytes() for weight in head.weights())


@pytest.fixture(scope="module")
def trained():
    """Return the weights after one epoch as bytes; all epochs share a compiled head, which is reset before each."""
    head = Head(WIDTH, CrossEntropy(), BATCH)

    def train(data, *, seed=1, dropout=0.0, learning_rate=RATE):
        head.reset(seed=seed, learning_rate=learning_rate, dropout=dropout)
        head.train(*data)
        return content(head)

    return train


def by_keras(weights, loss, data, *, batch=BATCH, learning_rate=RATE):
    """Train a plain Keras model of the same layers from the same weights, and return its weights."""
    model = keras.Sequential([keras.Input((WIDTH,)), keras.layers.Dense(UNITS, activation="relu"), keras.layers.Dense(1)])
    model.set_weights(weights)
    model.compile(keras.optimizers.Adam(learning_rate), loss=loss, run_eagerly=True)
    features, labels, sample_weight = data
    for start in range(0, len(labels), batch):
        here = slice(start, start + batch)
        model.train_on_batch(features[here], labels[here, None], sample_weight=sample_weight[here])
    return model.get_weights()


@pytest.mark.parametrize(
    ("loss", "of_keras"),
    [
        (CrossEntropy(), keras.losses.BinaryCrossentropy(from_logits=True)),
        (Focal(gamma=2.0), keras.losses.BinaryFocalCrossentropy(gamma=2.0, from_logits=True)),
        (Focal(gamma=0.5), keras.losses.BinaryFocalCrossentropy(gamma=0.5, from_logits=True)),
    ],
)
def test_compiled_epochs_equal_plain_keras_steps(loss, of_keras):
    head = fresh(loss)
    expected = by_keras(head.weights(), of_keras, rows())
    head.train(*rows())
    for found, wanted in zip(head.weights(), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def by_formula(weights, data, gamma, steps):
    """Take full-batch Adam steps in NumPy, the derivative of the focal loss as in its paper's appendix B."""
    features, labels, sample_weight = (array.astype(np.float64) for array in data)
    weights = [weight.astype(np.float64) for weight in weights]
    first, second = ([np.zeros_like(weight) for weight in weights] for _ in range(2))
    sign = 2 * labels - 1
    for step in range(1, steps + 1):
        kernel, bias, top, top_bias = weights
        before = features @ kernel + bias
        hidden = np.maximum(before, 0)
        logits = hidden @ top[:, 0] + top_bias
        true = 1 / (1 + np.exp(-sign * logits))
        slope = sign * (1 - true) ** gamma * (gamma * true * np.log(true) + true - 1) * sample_weight / len(labels)
        of_hidden = slope[:, None] * top[:, 0] * (before > 0)
        gradients = [features.T @ of_hidden, of_hidden.sum(axis=0), hidden.T @ slope[:, None], slope.sum(keepdims=True)]
        for number, gradient in enumerate(gradients):
            first[number] = 0.9 * first[number] + 0.1 * gradient
            second[number] = 0.999 * second[number] + 0.001 * gradient**2
            rate = RATE * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            weights[number] = weights[number] - rate * first[number] / (np.sqrt(second[number]) + 1e-7)
    return weights


@pytest.mark.parametrize(("loss", "gamma"), [(CrossEntropy(), 0.0), (Focal(gamma=1.0), 1.0), (Focal(gamma=3.0), 3.0)])
def test_losses_and_weights_follow_their_formula(loss, gamma):
    head, data = fresh(loss), rows(BATCH)
    expected = by_formula(head.weights(), data, gamma, steps=4)
    for _ in range(4):
        head.train(*data)
    for found, wanted in zip(head.weights(), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("loss", [CrossEntropy(), Focal(gamma=0.0), Focal(gamma=0.5), Focal(gamma=1.0), Focal(gamma=2.0)])
def test_extreme_logits_keep_the_weights_finite(loss):
    head = fresh(loss)
    features, labels, weights = rows()
    head.train(np.concatenate([features, features * 1e4]), np.tile(labels, 2), np.tile(weights, 2))
    assert all(np.isfinite(weight).all() for weight in head.weights())


def test_a_weight_of_zero_leaves_a_row_out(trained):
    features, labels, _ = rows(8)
    weights = np.array([1, 1, 1, 1, 0, 0, 0, 0], dtype=np.float32)
    changed = labels.copy()
    changed[4:] = 1 - changed[4:]
    assert trained((features, labels, weights)) == trained((features, changed, weights))


def test_a_last_batch_of_one_row_counts(trained):
    features, labels, weights = rows(BATCH + 1)
    without = [array[:BATCH] for array in (features, labels, weights)]
    other_label = labels.copy()
    other_label[-1] = 1 - labels[-1]
    assert len(set(map(trained, [(features, labels, weights), without, (features, other_label, weights)]))) == 3


def test_a_trial_is_the_same_in_a_used_head_as_in_a_fresh_one():
    used = fresh(seed=9, dropout=0.6, learning_rate=1e-2)
    used.train(*rows(seed=3))
    used.reset(seed=1, learning_rate=RATE, dropout=0.3)
    new = fresh(dropout=0.3)
    assert content(used) == content(new)
    for head in (used, new):
        head.train(*rows())
        head.train(*rows(30, seed=1))
    assert content(used) == content(new)
    assert used.logits(rows()[0]).tobytes() == new.logits(rows()[0]).tobytes()


def test_seed_dropout_and_learning_rate_all_matter(trained):
    options = [{}, {"seed": 2}, {"dropout": 0.5}, {"dropout": 0.1}, {"learning_rate": 2e-3}]
    assert len({trained(rows(), **given) for given in options}) == 5


def test_fresh_weights_are_glorot_uniform_with_zero_biases():
    kernel, bias, top, top_bias = fresh().weights()
    assert (kernel.shape, top.shape) == ((WIDTH, UNITS), (UNITS, 1))
    assert not bias.any()
    assert not top_bias.any()
    for weight in (kernel, top):
        limit = np.sqrt(6 / sum(weight.shape))
        assert np.abs(weight).max() <= limit
        assert weight.std() == pytest.approx(limit / np.sqrt(3), rel=0.1)
        assert abs(weight.mean()) < 0.1 * limit


def test_scoring_has_no_dropout_and_does_not_change_the_head():
    head = fresh(dropout=0.7)
    before, features = content(head), rows()[0]
    logits = head.logits(features)
    assert (logits.shape, logits.dtype) == ((70,), np.float64)
    assert head.logits(features).tobytes() == logits.tobytes()
    assert content(head) == before
    kernel, bias, top, top_bias = head.weights()
    np.testing.assert_allclose(logits, np.maximum(features @ kernel + bias, 0) @ top[:, 0] + top_bias, atol=1e-5)


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.7])
def test_dropout_drops_as_often_as_said_and_keeps_the_mean(rate):
    dropout = NoiseDropout()
    ones = np.ones((200, UNITS), dtype=np.float32)
    noise = np.random.default_rng(4).integers(0, NOISE_LEVELS, ones.shape, dtype=np.uint16)
    dropout.build([ones.shape, noise.shape])
    dropout.rate.assign(rate)
    dropped = np.asarray(dropout([ones, noise]))
    assert np.mean(dropped == 0) == pytest.approx(rate, abs=0.01)
    assert dropped.mean() == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(dropped[dropped > 0], 1 / (1 - rate), rtol=1e-6)


def test_no_two_rows_or_blocks_are_dropped_alike(trained):
    data = np.zeros((BATCH, WIDTH), dtype=np.float32), np.ones(BATCH, np.float32), np.ones(BATCH, np.float32)
    assert trained(data, dropout=0.5) == trained(data, dropout=0.5)
    generator = np.random.default_rng(0)
    drawn = [noise(3, generator) for _ in range(2)]
    assert len({row.tobytes() for block in drawn for row in block}) == 6
    assert all(0.4 < block.mean() / NOISE_LEVELS < 0.6 for block in drawn)


def test_kept_weights_do_not_change_while_training_goes_on():
    head = fresh()
    kept = head.weights()
    copies = [weight.copy() for weight in kept]
    head.train(*rows())
    for weight, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(weight, copy)
    head.set_weights(kept)
    assert content(head) == b"".join(weight.tobytes() for weight in copies)
