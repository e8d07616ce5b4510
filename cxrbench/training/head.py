"""The head in Keras: Dense 512 ReLU, Dropout, Dense 1; built and traced once per shape, reused by every trial."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from cxrbench.backend import compile_call, compile_epoch
from cxrbench.plugin.contracts import CrossEntropy, Focal

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

UNITS = 512


class AssignableDropout(keras.layers.Layer):
    """Dropout whose rate and random state are variables, so that a new trial needs no new graph."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the variables."""
        self.rate = self.add_weight(shape=(), initializer="zeros", trainable=False, name="rate")
        self.seed_generator = keras.random.SeedGenerator(0)
        super().build(input_shape)

    def call(self, inputs: Any, *, training: bool = False) -> Any:
        """Drop each number with probability `rate` and scale the others, in training only."""
        if not training:
            return inputs
        kept = keras.random.uniform(ops.shape(inputs), seed=self.seed_generator) >= self.rate
        return ops.where(kept, inputs / (1 - self.rate), ops.zeros_like(inputs))

    def reset(self, rate: float, seed: int) -> None:
        """Set the rate and start the random numbers of `seed`."""
        self.rate.assign(rate)
        self.seed_generator.state.assign(np.array([seed, 0], dtype=np.uint32))


class Head:
    """A head with its optimizer (Adam) and compiled steps."""

    def __init__(self, width: int, loss: CrossEntropy | Focal, batch_size: int) -> None:
        """Build and trace for features of `width`."""
        self._dropout = AssignableDropout()
        self._model = keras.Sequential(
            [keras.Input((width,)), keras.layers.Dense(UNITS, activation="relu"), self._dropout, keras.layers.Dense(1)]
        )
        self._optimizer = keras.optimizers.Adam()
        per_row = _loss(loss)
        self._model.compile(self._optimizer, loss=per_row)
        self._optimizer.build(self._model.trainable_variables)
        self._train = compile_epoch(self._model, per_row, batch_size)
        self._call = compile_call(self._model, (None, width), training=False)

    def reset(self, *, seed: int, learning_rate: float, dropout: float) -> None:
        """Begin a trial: fresh weights (Glorot uniform), fresh optimizer, its own random numbers."""
        for variable in self._optimizer.variables:
            variable.assign(np.zeros(variable.shape, dtype=variable.dtype))
        self._optimizer.learning_rate = learning_rate
        self._dropout.reset(dropout, seed)
        self.set_weights(_initial_weights([variable.shape for variable in self._model.trainable_variables], seed))

    def train(self, features: NDArray[np.float32], labels: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
        """Take one step per batch, in the order given."""
        self._train(features, labels, weights)

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return one logit per row."""
        return self._call(features)[:, 0].astype(np.float64)

    def weights(self) -> list[NDArray[np.float32]]:
        """Return a copy of the trainable weights."""
        return [np.array(ops.convert_to_numpy(variable)) for variable in self._model.trainable_variables]

    def set_weights(self, weights: list[NDArray[np.float32]]) -> None:
        """Replace the trainable weights."""
        for variable, value in zip(self._model.trainable_variables, weights, strict=True):
            variable.assign(value)


@lru_cache(maxsize=8)
def head_for(width: int, loss: CrossEntropy | Focal, batch_size: int) -> Head:
    """Return the process's head of that shape; its state is whatever the last trial left."""
    return Head(width, loss, batch_size)


def _initial_weights(shapes: list[tuple[int, ...]], seed: int) -> list[NDArray[np.float32]]:
    """Return Glorot-uniform kernels (Glorot and Bengio, AISTATS 2010, equation 16) and zero biases."""
    generator = np.random.default_rng(seed)
    return [
        generator.uniform(-1, 1, shape).astype(np.float32) * np.float32(np.sqrt(6 / sum(shape)))
        if len(shape) == 2
        else np.zeros(shape, dtype=np.float32)
        for shape in shapes
    ]


def _loss(loss: CrossEntropy | Focal) -> Callable[[Any, Any], Any]:
    """Return (labels, logits) -> one loss per row."""
    if isinstance(loss, CrossEntropy):
        return cross_entropy

    def focal(labels: Any, logits: Any) -> Any:
        truth = ops.reshape(labels, ops.shape(logits))
        doubt = ops.exp(-loss.gamma * ops.softplus((2 * truth - 1) * logits))  # (1 - p_true) ** gamma, smooth where it is 0
        return doubt * cross_entropy(labels, logits)

    return focal


def cross_entropy(labels: Any, logits: Any) -> Any:
    """Return the binary cross-entropy of each row, computed from logits without overflow."""
    return ops.softplus(logits) - ops.reshape(labels, ops.shape(logits)) * logits
