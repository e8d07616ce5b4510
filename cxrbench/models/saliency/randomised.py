"""Classifiers whose weights are partly random, to see whether a map depends on what was learnt.

Adebayo et al., NeurIPS 2018, arXiv 1810.03292, section 3: randomise the head, then more and more layers below it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.models.features.frozen_backbone import CHANNELS
from cxrbench.models.fine_tuning.side_by_side import parts_of
from cxrbench.models.training.head_weights import mean_head, random_head

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.data.batches import ImageBatches
    from cxrbench.models.training.head_weights import HeadWeights

HEADS = 20


def random_heads(heads: Sequence[HeadWeights], count: int = HEADS) -> Iterator[HeadWeights]:
    """Yield untrained models of the same make: each is the mean of as many heads as the trained one, of the same shapes.

    A head that sees the features of one of several networks side by side becomes a random head of those features.
    """
    for seed in range(count):
        generator = np.random.default_rng(seed)
        yield mean_head([_random_like(head, generator) for head in heads])


def _random_like(head: HeadWeights, generator: np.random.Generator) -> HeadWeights:
    trained = head[0]
    seen = trained.any(axis=1)
    kernel, *others = random_head(int(seen.sum()), trained.shape[1], generator)
    wide = np.zeros_like(trained)
    wide[seen] = kernel
    return (wide, *others)


def with_shuffled_top(network: Any, share: float) -> ImageBatches:
    """Return a Keras model as a function of grey images, as if the kernels of the upper share of its layers were random.

    The entries of a kernel are put in random order, which keeps their distribution and so the size of the signal; biases and
    normalisation stay. Adebayo et al. draw them anew. The model itself stays as it is. Of networks side by side,
    the upper layers of each are meant.
    """
    from cxrbench.models.backend import call_with_weights

    weights = _shuffled(network, share)

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return call_with_weights(network, weights, np.repeat(images, CHANNELS, axis=-1))

    return run


def _shuffled(network: Any, share: float) -> list[NDArray[np.float32]]:
    generator = np.random.default_rng(0)
    return [weight for part in parts_of(network) for weight in _shuffled_part(part, share, generator)]


def _shuffled_part(network: Any, share: float, generator: np.random.Generator) -> list[NDArray[np.float32]]:
    weights = [np.asarray(weight) for weight in network.get_weights()]
    kernels = [index for index, weight in enumerate(weights) if weight.ndim > 1]
    for index in kernels[len(kernels) - math.ceil(share * len(kernels)) :]:
        weights[index] = generator.permutation(weights[index].ravel()).reshape(weights[index].shape)
    return weights
