"""The weights of heads as plain arrays: drawn, their logits in NumPy, and the mean of several heads as one head."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    HeadWeights = tuple[NDArray[np.float32], ...]
    """Kernel ``[D, units]`` and bias of the hidden layer, kernel ``[units, 1]`` and bias of the output."""


def logits_of(weights: HeadWeights, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return one logit per row of features, float32 ``[n, D]``; they differ from those of the Keras head by about 1e-6."""
    hidden_kernel, hidden_bias, output_kernel, output_bias = weights
    hidden = np.maximum(features @ hidden_kernel + hidden_bias, 0)
    return np.asarray((hidden @ output_kernel + output_bias)[:, 0], dtype=np.float64)


def mean_head(heads: Sequence[HeadWeights]) -> HeadWeights:
    """Return one head whose logit is the mean of the logits of these heads: their hidden units side by side."""
    if len(heads) == 1:
        return heads[0]
    hidden_kernels, hidden_biases, output_kernels, output_biases = zip(*heads, strict=True)
    return (
        np.concatenate(hidden_kernels, axis=1),
        np.concatenate(hidden_biases),
        np.asarray(np.concatenate(output_kernels) / len(heads), dtype=np.float32),
        np.asarray(np.mean(output_biases, axis=0), dtype=np.float32),
    )


def heads_side_by_side(heads: Sequence[HeadWeights]) -> list[HeadWeights]:
    """Return heads for the features of several networks side by side; each sees those of its own network alone."""
    stops = np.cumsum([len(head[0]) for head in heads])
    widened = []
    for (kernel, *others), stop in zip(heads, stops, strict=True):
        wide = np.zeros((stops[-1], kernel.shape[1]), dtype=np.float32)
        wide[stop - len(kernel) : stop] = kernel
        widened.append((wide, *others))
    return widened


def head_at_temperature(head: HeadWeights, temperature: float) -> HeadWeights:
    """Return the head whose logits are those of this head divided by a temperature; 1 changes no weight."""
    *hidden, output_kernel, output_bias = head
    return (*hidden, output_kernel / np.float32(temperature), output_bias / np.float32(temperature))


def split_head(head: HeadWeights, count: int) -> tuple[HeadWeights, ...]:
    """Return `count` heads whose mean is this head: those that `mean_head` joined, but each with the mean output bias."""
    hidden_kernel, hidden_bias, output_kernel, output_bias = head
    parts = (
        np.split(hidden_kernel, count, axis=1),
        np.split(hidden_bias, count),
        np.split(output_kernel * np.float32(count), count),
    )
    return tuple((*part, output_bias) for part in zip(*parts, strict=True))


def random_head(width: int, units: int, generator: np.random.Generator) -> HeadWeights:
    """Return an untrained head of `units` hidden units for `width` features."""
    return tuple(initial_weights(shape, generator) for shape in ((width, units), (units,), (units, 1), (1,)))


def initial_weights(shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float32]:
    """Return a Glorot-uniform kernel (Glorot and Bengio, AISTATS 2010, equation 16) or zero biases."""
    if len(shape) == 1:
        return np.zeros(shape, dtype=np.float32)
    limit = np.float32(np.sqrt(6 / sum(shape)))
    return limit * (2 * generator.random(shape, dtype=np.float32) - 1)
