"""The head in Keras: Dense 512 ReLU, Dropout, Dense 1. Built and compiled once per shape and reused by every trial."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from cxrbench.models.backend import compile_call, compile_steps
from cxrbench.models.training.head_weights import initial_weights
from cxrbench.models.training.losses import loss_function

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.plugin.contracts import Loss

UNITS = 512
NOISE_LEVELS = 2**16


class NoiseDropout(keras.layers.Layer):
    """Dropout with its noise as an input and its rate as a variable, so that all trials share one graph.

    NumPy draws the noise ten times as fast as TensorFlow, which takes a third of a training step on 256 features.
    """

    def build(self, input_shape: Any) -> None:
        """Create the variable."""
        self.rate = self.add_weight(shape=(), initializer="zeros", trainable=False, name="rate")
        super().build(input_shape)

    def call(self, inputs: tuple[Any, Any]) -> Any:
        """Drop each value whose uint16 noise is below `rate` of its range, and scale the others."""
        values, noise = inputs
        kept = ops.cast(noise, "float32") >= self.rate * NOISE_LEVELS
        return values * ops.cast(kept, "float32") / (1 - self.rate)


class Head:
    """A head with its optimizer (Adam) and compiled steps."""

    def __init__(self, width: int, loss: Loss, batch_size: int) -> None:
        """Build and compile the head for `width` features."""
        features, noise = keras.Input((width,)), keras.Input((UNITS,), dtype="uint16")
        hidden, top = keras.layers.Dense(UNITS, activation="relu")(features), keras.layers.Dense(1)
        self._dropout = NoiseDropout()
        training = keras.Model([features, noise], top(self._dropout([hidden, noise])))
        self._model = keras.Model(features, top(hidden))
        self._steps = compile_steps(training, loss_function(loss), batch_size)
        self._call = compile_call(self._model, (None, width), training=False)
        self._generator = np.random.default_rng()

    def reset(self, *, seed: int, learning_rate: float, dropout: float) -> None:
        """Start a trial: new weights (Glorot uniform), a reset optimizer and a random generator from `seed`."""
        self._steps.reset(learning_rate)
        self._dropout.rate.assign(dropout)
        self._generator = np.random.default_rng(seed)
        shapes = [variable.shape for variable in self._model.trainable_variables]
        self.set_weights([initial_weights(shape, self._generator) for shape in shapes])

    def train(self, features: NDArray[np.float32], labels: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
        """Take one step per batch, in row order."""
        self._steps.take(features, noise(len(features), self._generator), labels, weights)

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
def head_for(width: int, loss: Loss, batch_size: int) -> Head:
    """Return this process's head of that shape, in the state that the last trial left."""
    return Head(width, loss, batch_size)


def noise(rows: int, generator: np.random.Generator) -> NDArray[np.uint16]:
    """Return uniform uint16 ``[rows, UNITS]``, four from each 64-bit number that the generator draws."""
    drawn: NDArray[np.uint64] = generator.bit_generator.random_raw(rows * UNITS // 4)
    return drawn.view(np.uint16).reshape(rows, UNITS)
