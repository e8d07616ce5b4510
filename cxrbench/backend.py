"""The only module that needs TensorFlow itself: compiled calls for extraction and training.

With another Keras backend (``KERAS_BACKEND=jax``) the same functions go through Keras alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float32]


def is_model(function: Any) -> bool:
    """Return whether a callable is Keras' own and can be compiled."""
    return isinstance(function, keras.Layer)


def compile_call(layer: Any, shape: tuple[int | None, ...], *, training: bool) -> Callable[[Array], Array]:
    """Return a model or layer as one compiled function of float32 arrays of `shape`; random layers keep drawing new numbers."""
    if keras.backend.backend() != "tensorflow":
        return lambda array: np.asarray(keras.ops.convert_to_numpy(layer(array, training=training)))
    import tensorflow

    signature = [tensorflow.TensorSpec(shape, tensorflow.float32)]
    compiled = tensorflow.function(lambda batch: layer(batch, training=training), input_signature=signature)
    return lambda array: np.asarray(compiled(tensorflow.constant(array)))


def compile_epoch(model: Any, loss: Callable[[Any, Any], Any], batch_size: int) -> Callable[[Array, Array, Array], None]:
    """Return a function that takes one optimizer step per batch, in order, over (features, labels, sample weights).

    Args:
        model: compiled with the optimizer and with `loss`; float32 ``[n, D]`` to logits ``[n, 1]``.
        loss: (labels ``[n]``, logits ``[n]``) to one loss per row; a batch's loss is the mean of loss times weight.
        batch_size: rows per step; the last batch may be smaller.
    """
    if keras.backend.backend() != "tensorflow":
        return lambda *rows: _train_through_keras(model, rows, batch_size)
    import tensorflow

    variables = model.trainable_variables

    def step(features: Any, labels: Any, weights: Any) -> None:
        with tensorflow.GradientTape() as tape:
            mean = tensorflow.reduce_mean(loss(labels, model(features, training=True)[:, 0]) * weights)
        gradients = tape.gradient(mean, [variable.value for variable in variables])
        model.optimizer.apply(gradients, variables)

    def epoch(features: Any, labels: Any, weights: Any) -> None:
        for start in tensorflow.range(0, tensorflow.shape(features)[0], batch_size):
            rows = slice(start, start + batch_size)
            step(features[rows], labels[rows], weights[rows])

    vector = tensorflow.TensorSpec((None,), tensorflow.float32)
    matrix = tensorflow.TensorSpec((None, model.input_shape[1]), tensorflow.float32)
    compiled = tensorflow.function(epoch, input_signature=[matrix, vector, vector])
    return lambda *rows: compiled(*(tensorflow.constant(array) for array in rows)) and None


def _train_through_keras(model: Any, rows: tuple[Array, ...], batch_size: int) -> None:
    features, labels, weights = rows
    for start in range(0, len(features), batch_size):
        batch = slice(start, start + batch_size)
        model.train_on_batch(features[batch], labels[batch, None], sample_weight=weights[batch])
