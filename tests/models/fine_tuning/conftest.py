"""A small network with batch normalisation, images on disk, and a training of it."""

from __future__ import annotations

import numpy as np
import pytest

from cxrbench.models.training.configuration import TrainingConfiguration
from cxrbench.models.training.head_weights import random_head
from cxrbench.storage.sharded_array import ShardedArray

SIZE, WIDTH, BATCH = 16, 6, 8


@pytest.fixture(scope="session")
def backbone(tensorflow_ready):
    """Return a backbone, whose weights are those of the last training."""
    return make_backbone()


def make_backbone():
    """Return a backbone with a nested network, and statistics and scales that are not those of a new one.

    The seed gives one whose features differ between the images below: those of many seeds do not."""
    import keras

    keras.utils.set_random_seed(5)
    images = keras.Input((SIZE, SIZE, 3))
    maps = keras.layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False)(keras.layers.Rescaling(1 / 64)(images))
    maps = keras.layers.ReLU(6.0)(keras.layers.BatchNormalization()(maps))
    maps = keras.layers.DepthwiseConv2D(3, padding="same")(maps)
    maps = keras.layers.ReLU()(keras.layers.BatchNormalization(scale=False)(maps))
    inner = keras.Sequential(
        [keras.Input((8, 8, 4)), keras.layers.Conv2D(WIDTH, 1), keras.layers.BatchNormalization(center=False)]
    )
    maps = keras.layers.BatchNormalization()(keras.layers.Dropout(0.5)(inner(maps)))
    model = keras.Model(images, keras.layers.GlobalAveragePooling2D()(maps))
    generator = np.random.default_rng(1)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            for variable in layer.variables:
                variable.assign(generator.uniform(0.5, 1.5, variable.shape))
    return model


@pytest.fixture(scope="session")
def backbone_to_cut(tensorflow_ready):
    """Return an equal backbone with variables of its own, likewise."""
    return make_backbone()


@pytest.fixture(scope="session")
def learning(backbone):
    """Return the network, its steps and a head to start from."""
    from cxrbench.models.fine_tuning.network import network_on_images
    from cxrbench.models.fine_tuning.steps import NetworkSteps
    from cxrbench.models.training.losses import cross_entropy

    network = network_on_images(backbone, SIZE)
    return network, NetworkSteps(network, cross_entropy, BATCH), random_head(WIDTH, 512, np.random.default_rng(0))


@pytest.fixture(scope="session")
def pixels(tmp_path_factory):
    """Return 60 images on disk, and their labels: the positive ones are brighter on the left."""
    generator = np.random.default_rng(2)
    labels = np.arange(60) % 2
    images = generator.integers(60, 160, (60, SIZE, SIZE), dtype=np.uint8)
    images[labels == 1, :, : SIZE // 2] += 60
    array = ShardedArray(folder=tmp_path_factory.mktemp("pixels"), rows=60, dtype="uint8", shard_rows=60)
    array.write(0, [images])
    return array, labels


@pytest.fixture
def training(learning, pixels, tmp_path):
    """Return a training of four epochs on 43 images, which make five batches and a part of one."""
    from cxrbench.models.fine_tuning.trainer import ImageRows, Training

    (network, steps, head), (array, labels) = learning, pixels
    rows, validation = np.arange(43), np.arange(43, 60)
    data = ImageRows(
        pixels=array,
        rows=rows,
        labels=labels[rows].astype(np.float32),
        weights=np.ones(43, dtype=np.float32),
        validation=(validation, labels[validation]),
        followed=(np.arange(1), labels[:1].astype(np.int64)),
        augmentation=None,
    )
    return Training(
        network=network,
        steps=steps,
        start=network.weights_with(head),
        data=data,
        configuration=TrainingConfiguration(epochs=4, batch_size=BATCH, patience=4),
        checkpoint=tmp_path / "progress.safetensors",
        depends_on="the same network and images",
    )
