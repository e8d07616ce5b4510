"""A network that starts from random weights: normalisation learns as in Keras, and nothing is lost when it is killed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cxrbench.models.training.head_weights import logits_of

SIZE, BATCH = 16, 8
SETTING = {"learning_rate": 1e-2, "dropout": 0.2, "weight_decay": 1e-2, "seed": 5}


def build(seed):
    """Return a backbone of random weights with two normalisations and a dropout after them."""
    import keras

    images = maps = keras.Input((SIZE, SIZE, 3))
    maps = keras.layers.Rescaling(1 / 64, -2)(maps)
    for filters in (4, 6):
        maps = keras.layers.Conv2D(filters, 3, strides=2, use_bias=False)(maps)
        maps = keras.layers.LeakyReLU(0.1)(keras.layers.BatchNormalization(momentum=0.8)(maps))
    features = keras.layers.Dropout(0.3)(keras.layers.GlobalAveragePooling2D()(maps))
    model = keras.Model(images, features)
    generator = np.random.default_rng(seed)
    for kernel in (weight for weight in model.weights if len(weight.shape) > 1):
        kernel.assign(generator.normal(0, 0.3, kernel.shape))
    return model


def new_learner():
    from cxrbench.models.fine_tuning.network import network_in_training_mode
    from cxrbench.models.fine_tuning.steps import NetworkSteps
    from cxrbench.models.training.losses import cross_entropy

    network = network_in_training_mode(build(0), SIZE)
    return network, NetworkSteps(network, cross_entropy, BATCH)


def start_of(network, seed):
    """Return random weights as a training with this seed starts from."""
    from cxrbench.models.fine_tuning.network import random_network

    return network.weights_of(random_network(build(seed), seed))


@pytest.fixture(scope="module")
def learner(tensorflow_ready):
    return new_learner()


@pytest.fixture
def train(training, learner):
    """Return a function that trains with changed settings, data or learner."""
    from cxrbench.models.fine_tuning.trainer import Setting, train_from_scratch

    def run(epochs=4, data=None, learner=learner, **setting):
        setting = Setting(**{**SETTING, **setting})
        start = start_of(learner[0], setting.seed)
        configuration = replace(training.configuration, epochs=epochs)
        changed = replace(training, network=learner[0], steps=learner[1], start=start, configuration=configuration)
        return train_from_scratch(replace(changed, data=replace(training.data, **(data or {}))), setting)

    return run


@pytest.fixture
def validation(training):
    images, labels = training.data.validation
    return training.data.pixels.gather(images), labels


def in_colour(images):
    return np.repeat(images[..., None].astype(np.float32), 3, axis=-1)


def content(progress):
    return b"".join(np.asarray(one).tobytes() for one in (*progress.best_weights, *progress.state, progress.best_logits))


def test_statistics_after_each_step_are_those_of_keras(learner, pixels):
    from cxrbench.models.fine_tuning.steps import Rates

    network, steps = learner
    images = pixels[0].gather(np.arange(2 * BATCH))
    reference = build(3)
    reference.trainable = True
    reference.compile("sgd", "mse")
    reference.optimizer.learning_rate = 0.0
    shares = (0.0,) * len(network.learning)  # the second step sees the same weights in both
    steps.reset(start_of(network, 3), Rates(shares=shares, weight_decay=0.0))
    for batch in (slice(0, BATCH), slice(BATCH, 2 * BATCH)):
        reference.train_on_batch(in_colour(images[batch]), np.zeros((BATCH, 6), dtype=np.float32))
        rows = images[batch, ..., None].astype(np.float32)
        noise, ones = np.zeros((BATCH, 512), dtype=np.uint16), np.ones(BATCH, dtype=np.float32)
        steps.take(rows, noise, ones, ones, np.ones(1, dtype=np.float32))
        expected = [variable.numpy() for variable in reference.non_trainable_weights]
        found = steps.state[len(network.learning) :][: len(expected)]
        assert len(expected) == 4
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert np.abs(expected[0]).max() > 0.01


@pytest.fixture
def kept(learner):
    """Return a function of a training's result to a backbone, and a head, that have the weights of its best epoch."""

    def models(done):
        whole, backbone = learner[0].whole(done.best_weights), build(99)
        backbone.set_weights(list(whole.backbone))
        for one, other in zip(learner[0].weights_of(whole), done.best_weights, strict=True):
            assert np.array_equal(one, other)
        return backbone, whole.head

    return models


def test_it_learns_and_what_it_kept_is_a_model_of_keras(train, kept, validation):
    done = train(epochs=12)
    images, labels = validation
    assert done.losses[0] == np.inf
    assert done.losses[done.best] == min(done.losses) < 0.3
    assert np.mean((done.best_logits > 0) == labels) > 0.9
    backbone, head = kept(done)
    features = np.asarray(backbone(in_colour(images), training=False))
    np.testing.assert_allclose(logits_of(head, features), done.best_logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("epochs", [2, 12])
def test_averaged_statistics_suit_the_averaged_weights(train, kept, training, epochs):
    import keras

    backbone, _ = kept(train(epochs=epochs))
    images = in_colour(training.data.pixels.gather(training.data.rows))
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            maps = np.asarray(keras.Model(backbone.input, layer.input)(images, training=False))
            mean, variance = maps.mean((0, 1, 2)), maps.var((0, 1, 2))
            assert (np.abs(layer.moving_mean.numpy() - mean) / np.sqrt(variance)).max() < 0.4
            assert layer.moving_variance.numpy() / variance == pytest.approx(1, rel=0.25)


def test_averages_cover_the_latest_tenth_of_the_steps():
    from cxrbench.models.fine_tuning.steps import average_over

    found = [float(average_over(np.float32(step))) for step in (1, 11, 101, 991, 5000)]
    assert found == pytest.approx([1, 2, 11, 100, 100])


def test_the_random_network_is_never_selected(train):
    done = train(epochs=1, learning_rate=0.0)
    assert done.best == 1
    assert np.isfinite(done.losses[1])


def test_a_training_without_a_finite_loss_fails(train):
    from cxrbench.models.training.trainer import TrainingFailed

    nothing = np.full(43, np.nan, dtype=np.float32)
    for _ in range(2):  # the second time it reads the checkpoint
        with pytest.raises(TrainingFailed, match=r"nan after the first epoch \(learning rate 0\.01\)"):
            train(data={"weights": nothing})


def test_a_killed_training_continues_bit_by_bit_elsewhere(train, training, monkeypatch):
    from cxrbench.models.fine_tuning import trainer

    whole = content(train())
    training.checkpoint.unlink()
    train_epoch = trainer._train_epoch

    def interrupted(*arguments):
        train_epoch(*arguments)
        if arguments[2] == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "_train_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train()
    assert content(train(learner=new_learner())) == whole


def test_the_seed_decides_the_weights_and_the_training(train, learner):
    network = learner[0]
    first, again, other = (b"".join(one.tobytes() for one in start_of(network, seed)) for seed in (1, 1, 2))
    assert first == again != other
    found = [content(train(seed=seed)) for seed in (1, 2, 1)]
    assert found[0] == found[2] != found[1]


def test_layers_of_the_backbone_drop_in_training(learner):
    network = learner[0]
    images = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 1)).astype(np.float32)
    noise = np.full((2, 512), 65535, dtype=np.uint16)  # the head drops nothing
    draws = []
    for seed in (1, 2, 1):
        network.set_seed(seed)
        draws.append([np.asarray(network.call(images, noise)) for _ in range(2)])
    assert np.array_equal(draws[0], draws[2])
    assert not np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0][0], draws[0][1])


def test_a_function_cannot_be_trained():
    from cxrbench.errors import ConfigError
    from cxrbench.models.fine_tuning.network import network_in_training_mode

    with pytest.raises(ConfigError, match="not a Keras model that is built as a graph"):
        network_in_training_mode(lambda images: images, SIZE)
