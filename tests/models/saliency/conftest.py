"""Classifiers with random heads over small convolutional networks and over MobileNet, and real images."""

from __future__ import annotations

import numpy as np
import pytest

from cxrbench.models.classifier import make_classifier
from cxrbench.models.training.head_weights import mean_head, random_head
from cxrbench_backbones.applications import mobilenet
from cxrbench_datasets.sample import load_sample


@pytest.fixture(scope="session")
def heads():
    """Return a function that draws several heads with biases, which untrained heads do not have."""

    def draw(width, *, units=16, count=3, seed=0):
        generator = np.random.default_rng(seed)
        drawn = [random_head(width, units, generator) for _ in range(count)]
        return [tuple(part + generator.normal(0, 0.1, part.shape).astype(np.float32) for part in head) for head in drawn]

    return draw


@pytest.fixture(scope="session")
def classify(heads):
    """Return a function that makes a classifier of a backbone with a random head."""

    def make(backbone, width, *, size=32, seed=0):
        head = mean_head(heads(width, seed=seed))
        return make_classifier("a-backbone", backbone, head, 0.5, size=size, resize="stretch")

    return make


@pytest.fixture(scope="session")
def mobilenet_classifier(classify, tensorflow_ready):
    """Return a classifier over MobileNet with the weights that come with the package."""
    backbone = mobilenet(input_shape=(224, 224, 3), weights="imagenet", seed=0, network="mobilenet", alpha=0.25)
    return classify(backbone, 256, size=224)


@pytest.fixture(scope="session")
def real_images(mobilenet_classifier):
    """Return 40 real images, uint8 ``[40, 224, 224]``."""
    sample = load_sample()
    return np.stack([mobilenet_classifier.read(sample.read(record.key))[0] for record in sample.records[::25]])


@pytest.fixture(scope="session")
def noise():
    """Return a function that draws images of noise."""
    return lambda count, size=32, seed=0: np.random.default_rng(seed).integers(0, 256, (count, size, size), dtype=np.uint8)
