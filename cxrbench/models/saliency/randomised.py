"""Classifiers whose weights are partly random, to see whether a map depends on what was learnt.

Adebayo et al., NeurIPS 2018, arXiv 1810.03292, section 3: randomise the head, then more and more layers below it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.models.features.frozen_backbone import CHANNELS
from cxrbench.models.training.head_weights import mean_head, random_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cxrbench.data.batches import ImageBatches
    from cxrbench.models.training.head_weights import HeadWeights

HEADS = 20


def random_heads(heads: Sequence[HeadWeights], count: int = HEADS) -> list[HeadWeights]:
    """Return untrained models of the same make: each is the mean of as many heads as the trained one, of the same shapes."""
    width, units = heads[0][0].shape
    generators = (np.random.default_rng(seed) for seed in range(count))
    return [mean_head([random_head(width, units, generator) for _ in heads]) for generator in generators]


def with_shuffled_top(network: Any, share: float) -> ImageBatches:
    """Return a Keras model as a function of grey images, as if the kernels of the upper share of its layers were random.

    The entries of a kernel are put in random order, which keeps their distribution and so the size of the signal; biases and
    normalisation stay. Adebayo et al. draw them anew. The model itself stays as it is.
    """
    from cxrbench.models.backend import call_with_weights

    weights = _shuffled(network, share)

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return call_with_weights(network, weights, np.repeat(images, CHANNELS, axis=-1))

    return run


def _shuffled(network: Any, share: float) -> list[NDArray[np.float32]]:
    weights = [np.asarray(weight) for weight in network.get_weights()]
    kernels = [index for index, weight in enumerate(weights) if weight.ndim > 1]
    generator = np.random.default_rng(0)
    for index in kernels[len(kernels) - math.ceil(share * len(kernels)) :]:
        weights[index] = generator.permutation(weights[index].ravel()).reshape(weights[index].shape)
    return weights
