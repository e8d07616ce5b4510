"""Compiled calls for extraction and the training of heads, with TensorFlow.

With another Keras backend (``KERAS_BACKEND=jax``) the same functions use Keras alone. Only TensorFlow trains networks.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from cxrbench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.config.values import Precision

    Array = NDArray[np.float32]


@contextmanager
def layers_in(precision: Precision) -> Iterator[None]:
    """Build Keras layers inside this context so that they compute in `precision`; their weights stay float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def compile_call(layer: Any, shape: tuple[int | None, ...], *, training: bool) -> Callable[[Array], Array]:
    """Compile a model or layer to one function of float32 arrays of `shape`. Random layers draw new numbers at each call."""
    if keras.backend.backend() != "tensorflow":
        return lambda array: np.asarray(keras.ops.convert_to_numpy(layer(array, training=training)))

    return _compiled(lambda batch: layer(batch, training=training), shape)


def compile_features(model: Any, shape: tuple[int | None, int, int, int], channels: int) -> Callable[[Array], Array]:
    """Compile a model to one function of grey images, float32 of `shape`, that repeats them over `channels` channels.

    The weights become constants of the graph, so TensorFlow folds batch normalisation into the convolution before it. This
    makes MobileNet 1.4 times and ResNet50 1.07 times as fast and changes features by about 1e-6.
    """
    if not model.built:
        model(np.zeros((1, *shape[1:3], channels), dtype=np.float32), training=False)
    weights = [
        [keras.ops.convert_to_numpy(variable) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    def features(images: Any) -> Any:
        outputs, _ = model.stateless_call(*weights, keras.ops.repeat(images, channels, axis=-1), training=False)
        return keras.ops.cast(outputs, "float32")

    if keras.backend.backend() != "tensorflow":
        return lambda images: np.asarray(keras.ops.convert_to_numpy(features(images)))
    return _compiled(features, shape)


def gradient_sizes(model: Any, images: Array, seed: int) -> list[tuple[str, float]]:
    """Return (path, largest absolute gradient of a random weighted sum of the outputs) for each weight of a model.

    Raises:
        NotImplementedError: the Keras backend is not TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError("computing gradients needs the TensorFlow backend")
    import tensorflow

    was_trainable, model.trainable = model.trainable, True
    try:
        with tensorflow.GradientTape() as tape:
            features = tensorflow.cast(model(images, training=False), tensorflow.float32)
            factors = np.random.default_rng(seed).normal(size=features.shape).astype(np.float32)
            total = tensorflow.reduce_sum(features * factors)
        variables = model.trainable_variables
        gradients = tape.gradient(total, [variable.value for variable in variables])
        sizes = [0.0 if gradient is None else float(tensorflow.reduce_max(tensorflow.abs(gradient))) for gradient in gradients]
    finally:
        model.trainable = was_trainable
    return [(variable.path, size) for variable, size in zip(variables, sizes, strict=True)]


def gradients_at_maps(tail: Sequence[Callable[[Any], Any]], head: Sequence[Array], maps: Array) -> Array:
    """Return the gradient of each image's logit, feature maps ``[n, h, w, D]`` to the same shape.

    Args:
        tail: Keras operations that turn the maps into features, one after the other.
        head: kernel and bias of the hidden layer, kernel and bias of the output.
        maps: of each image.

    Raises:
        ConfigError: the Keras backend is not TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise ConfigError("Grad-CAM needs gradients by TensorFlow: unset KERAS_BACKEND, or use another --method")
    import tensorflow

    watched = tensorflow.constant(maps)
    hidden_kernel, hidden_bias, output_kernel, output_bias = head
    with tensorflow.GradientTape() as tape:
        tape.watch(watched)
        features = watched
        for operation in tail:
            features = operation(features)
        logits = tensorflow.nn.relu(features @ hidden_kernel + hidden_bias) @ output_kernel + output_bias
    return np.asarray(tape.gradient(logits, watched))


def call_with_weights(model: Any, weights: Sequence[Array], images: Array) -> Array:
    """Return the outputs of a model as if it had these weights, in the order of its `weights`; the model stays as it is."""
    values = {id(variable): value for variable, value in zip(model.weights, weights, strict=True)}
    variables = (model.trainable_variables, model.non_trainable_variables)  # these have the states of random layers, too
    parts = ([values.get(id(one), one.value) for one in part] for part in variables)
    outputs, _ = model.stateless_call(*parts, images, training=False)
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32")))


def _compiled(function: Callable[[Any], Any], shape: tuple[int | None, ...]) -> Callable[[Array], Array]:
    import tensorflow

    signature = [tensorflow.TensorSpec(shape, tensorflow.float32)]
    compiled = tensorflow.function(function, input_signature=signature, autograph=False).get_concrete_function()
    return lambda array: np.asarray(compiled(tensorflow.constant(array)))


class _CompiledSteps:
    """Train a whole block of batches in one call. A fused kernel updates each variable, where Keras' Adam needs ten kernels."""

    def __init__(self, model: Any, loss: Callable[[Any, Any], Any], batch_size: int) -> None:
        import tensorflow

        self._model, self._loss, self._batch_size = model, loss, batch_size
        self._learning_rate, self._step_count = tensorflow.Variable(0.0), tensorflow.Variable(0.0)
        self._variables = [variable.value for variable in model.trainable_variables]
        self._moments = [
            [tensorflow.Variable(tensorflow.zeros_like(variable)) for _ in range(2)] for variable in self._variables
        ]
        (_, width), (_, units) = model.input_shape
        vector = tensorflow.TensorSpec((None,), tensorflow.float32)
        features = tensorflow.TensorSpec((None, width), tensorflow.float32)
        noise = tensorflow.TensorSpec((None, units), tensorflow.uint16)
        signature = [features, noise, vector, vector]
        function = tensorflow.function(self._steps, input_signature=signature, autograph=False)
        self._compiled = function.get_concrete_function()

    def _steps(self, features: Any, noise: Any, labels: Any, weights: Any) -> None:
        import tensorflow

        def step(start: Any) -> Any:
            stop = start + self._batch_size
            self._step(*(array[start:stop] for array in (features, noise, labels, weights)))
            return stop

        count = tensorflow.shape(features)[0]
        tensorflow.while_loop(lambda start: start < count, step, [0])

    def _step(self, features: Any, noise: Any, labels: Any, weights: Any) -> None:
        import tensorflow

        with tensorflow.GradientTape() as tape:
            logits = self._model([features, noise], training=True)[:, 0]
            loss = tensorflow.reduce_mean(self._loss(labels, logits) * weights)
        self._step_count.assign_add(1.0)
        gradients = tape.gradient(loss, self._variables)
        for variable, (first, second), gradient in zip(self._variables, self._moments, gradients, strict=True):
            tensorflow.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=0.9**self._step_count,
                beta2_power=0.999**self._step_count,
                lr=self._learning_rate,
                beta1=0.9,
                beta2=0.999,
                epsilon=1e-7,
                grad=gradient,
            )

    def reset(self, learning_rate: float) -> None:
        self._learning_rate.assign(learning_rate)
        self._step_count.assign(0.0)
        for moment in itertools.chain.from_iterable(self._moments):
            moment.assign(np.zeros(moment.shape, dtype=np.float32))

    def take(self, *arrays: NDArray[Any]) -> None:
        import tensorflow

        self._compiled(*(tensorflow.constant(array) for array in arrays))


class _KerasSteps:
    """Train with Keras alone, one call per batch, for the other backends."""

    def __init__(self, model: Any, loss: Callable[[Any, Any], Any], batch_size: int) -> None:
        self._model, self._batch_size = model, batch_size
        self._optimizer = keras.optimizers.Adam()
        model.compile(self._optimizer, loss=loss)
        self._optimizer.build(model.trainable_variables)

    def reset(self, learning_rate: float) -> None:
        for variable in self._optimizer.variables:
            variable.assign(np.zeros(variable.shape, dtype=variable.dtype))
        self._optimizer.learning_rate = learning_rate

    def take(self, features: Array, noise: NDArray[np.uint16], labels: Array, weights: Array) -> None:
        for start in range(0, len(features), self._batch_size):
            batch = slice(start, start + self._batch_size)
            inputs, targets = [features[batch], noise[batch]], labels[batch, None]
            self._model.train_on_batch(inputs, targets, sample_weight=weights[batch])


def compile_steps(model: Any, loss: Callable[[Any, Any], Any], batch_size: int) -> _CompiledSteps | _KerasSteps:
    """Return the training steps of a model with Adam (Kingma and Ba, ICLR 2015): `reset` them, then `take` some.

    `take` takes one step per batch in row order; the last batch may be smaller. The optimizer's state is kept between steps.

    Args:
        model: (float32 ``[n, D]``, noise uint16 ``[n, units]``) to logits ``[n, 1]``.
        loss: (labels ``[n]``, logits ``[n]``) to one loss per row; the loss of a batch is the mean of loss times weight.
        batch_size: rows per step.
    """
    steps = _CompiledSteps if keras.backend.backend() == "tensorflow" else _KerasSteps
    return steps(model, loss, batch_size)
