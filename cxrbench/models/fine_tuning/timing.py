"""Time a sample of the training of a network in a worker: a batch of random images, learnt from and scored."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.models.fine_tuning.augmentation import drawn_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxrbench.config.part import Part
    from cxrbench.models.features.frozen_backbone import FrozenBackbone
    from cxrbench.models.fine_tuning.network import Network
    from cxrbench.models.fine_tuning.origins import Origin
    from cxrbench.plugin.specs import Augmentation

CALLS = 2
"""Timed ones, after one that also compiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSample:
    """What the time of training a network depends on.

    Attributes:
        origin: what the training starts from; heads are not needed.
        augmentation: of the training images; None for none, and above a cut.
        batch: images per step.
    """

    origin: Origin
    backbone: FrozenBackbone
    augmentation: Part[Augmentation] | None
    batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTime:
    """The time of training a network in one worker, in seconds.

    Attributes:
        setup: to build and compile it.
        per_trained: to learn from an image, augmentation included.
        per_scored: to score an image, from the pixels on.
    """

    setup: float
    per_trained: float
    per_scored: float


def time_network(sample: NetworkSample) -> NetworkTime:
    """Train on a batch of random images, and score it.

    Raises:
        ConfigError: the backbone cannot be trained, or not above that cut.
    """
    start = time.perf_counter()
    network, scoring = sample.origin.build(sample.backbone), sample.origin.build_to_score(sample.backbone)
    train, score = _training(sample, network), _scoring(sample, scoring)
    setup = time.perf_counter() - start
    of_train, of_score = _timed(train), _timed(score)
    return NetworkTime(
        setup=setup + of_train[0] + of_score[0], per_trained=of_train[1] / sample.batch, per_scored=of_score[1] / sample.batch
    )


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    """Return by how much the first call is longer than the others, and the seconds of one of these."""
    times = [time.perf_counter()]
    for _ in range(1 + CALLS):
        call()
        times.append(time.perf_counter())
    first, each = times[1] - times[0], (times[-1] - times[1]) / CALLS
    return max(0.0, first - each), each


def _training(sample: NetworkSample, network: Network) -> Callable[[], object]:
    from cxrbench.models.fine_tuning.steps import NetworkSteps
    from cxrbench.models.training.head import noise
    from cxrbench.models.training.losses import cross_entropy

    steps, generator = NetworkSteps(network, cross_entropy, sample.batch), np.random.default_rng(0)
    shape = (sample.batch, *network.training.inputs[0].shape[1:])
    inputs = generator.integers(256, size=shape).astype(np.float32)
    labels, ones = generator.integers(2, size=sample.batch).astype(np.float32), np.ones(sample.batch, dtype=np.float32)
    augment = drawn_from(sample.augmentation, 0, shape) if sample.augmentation else None

    def train() -> None:
        images = augment(inputs) if augment else inputs
        steps.take(images, noise(sample.batch, generator), labels, ones, np.zeros(1, dtype=np.float32))

    return train


def _scoring(sample: NetworkSample, network: Network) -> Callable[[], object]:
    size = sample.backbone.size
    images = np.random.default_rng(0).integers(256, size=(sample.batch, size, size), dtype=np.uint8)
    weights = [np.asarray(variable.value) for variable in (*network.learning, *network.statistics)]
    return lambda: network.logits(weights, images)
