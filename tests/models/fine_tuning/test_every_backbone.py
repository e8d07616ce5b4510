"""Every backbone of the package that is a network of Keras can be trained as a whole; the others say why not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cxrbench.config.component import Component
from cxrbench.config.part import bind
from cxrbench.models.features.frozen_backbone import FrozenBackbone
from cxrbench.models.training.configuration import TrainingConfiguration
from cxrbench.models.training.head_weights import random_head
from cxrbench.models.weights import Weights
from cxrbench.plugin.specs import Backbone
from cxrbench.storage.sharded_array import ShardedArray

SMALLEST = {"xception": 71, "inceptionv3": 75}
"""Pixels, where a network refuses 64."""
NO_NETWORK = ("texture", "control-border", "control-intensity", "control-thumbnail")
NEEDS_A_FILE = ("chexnet", "hypermodel", "keras-file", "onnx")
NETWORKS = (
    *("convnext-tiny", "darkcovidnet", "densenet121", "efficientnetb0", "efficientnetv2b0", "inceptionv3", "mobilenet"),
    *("mobilenetv2", "mobilenetv3-large", "mobilenetv3-small", "nasnetmobile", "random-convnet", "resnet50", "resnet50v2"),
    *("vgg16", "vgg19", "xception"),
)


@pytest.fixture
def backbone_of(host, tensorflow_ready):
    """Return a function that makes a backbone with random weights."""

    def make(name, size):
        declaration = host.find(Backbone, name)
        options = (("weights", "none"),) if declaration.spec.weights else ()
        part = bind(Component(name=name, options=options), declaration)
        return FrozenBackbone(part=part, weights=Weights(name="none"), seed=1, size=size, precision="float32")

    return make


def test_all_backbones_are_in_a_list(host):
    declared = {declaration.spec.name for declaration in host.declarations(Backbone)}
    assert declared == {*NETWORKS, *NO_NETWORK, *NEEDS_A_FILE}


@pytest.mark.parametrize("name", NO_NETWORK)
def test_what_is_no_network_of_keras_is_refused(backbone_of, name):
    from cxrbench.models.fine_tuning.jobs import why_not_trainable

    assert "not a Keras model that is built as a graph" in why_not_trainable(backbone_of(name, 64))


def one_epoch(backbone, count, batch, folder):
    """Train all of a backbone for an epoch on random images; return the losses and whether the first weights moved."""
    from cxrbench.models.fine_tuning.network import network_on_images
    from cxrbench.models.fine_tuning.network_file import read_network_weights, write_network_weights
    from cxrbench.models.fine_tuning.steps import NetworkSteps
    from cxrbench.models.fine_tuning.trainer import ImageRows, Setting, Training, fine_tune
    from cxrbench.models.training.losses import cross_entropy

    images, labels = np.random.default_rng(0).integers(256, size=(count, backbone.size, backbone.size), dtype=np.uint8), None
    labels = np.arange(count) % 2
    pixels = ShardedArray(folder=folder / "pixels", rows=count, dtype="uint8", shard_rows=count)
    pixels.write(0, [images])
    built = backbone.build_anew()
    network = network_on_images(built, backbone.size)
    start = network.weights_with(random_head(built.output_shape[-1], 512, np.random.default_rng(0)))
    data = ImageRows(
        pixels=pixels,
        rows=np.arange(count),
        labels=labels.astype(np.float32),
        weights=np.ones(count, dtype=np.float32),
        validation=(np.arange(4), labels[:4]),
        followed=(np.arange(4), labels[:4]),
        augmentation=None,
    )
    training = Training(
        network=network,
        steps=NetworkSteps(network, cross_entropy, batch),
        start=start,
        data=data,
        configuration=TrainingConfiguration(epochs=1, batch_size=batch, patience=1),
        checkpoint=folder / "progress",
        depends_on="",
    )
    setting = Setting(learning_rate=1e-4, layer_decay=0.5, dropout=0.2, weight_decay=1e-3, seed=0)
    progress = fine_tune(training, setting)
    moved, whole = not np.array_equal(training.steps.state[0], start[0]), network.whole(progress.best_weights)
    sha256 = write_network_weights(folder / "network", whole)
    read_network_weights(folder / "network", sha256, within=folder).on(built, "the backbone")
    return progress.losses, moved


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_trains_for_an_epoch(backbone_of, name, tmp_path):
    losses, moved = one_epoch(backbone_of(name, SMALLEST.get(name, 64)), 8, 4, tmp_path)
    assert np.isfinite(losses).all()
    assert moved


@pytest.mark.long
def test_a_large_network_trains_at_full_size(backbone_of, tmp_path):
    losses, moved = one_epoch(replace(backbone_of("resnet50", 224)), 200, 32, tmp_path)
    assert np.isfinite(losses).all()
    assert moved
