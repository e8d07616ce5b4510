"""What networks that learn have in common: grey images in, a head on top, a compiled call with given weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from cxrbench.errors import ConfigError
from cxrbench.models.features.frozen_backbone import CHANNELS, is_graph, is_model_of_keras
from cxrbench.models.fine_tuning.network_file import NetworkWeights
from cxrbench.models.training.head import UNITS, NoiseDropout
from cxrbench.storage.files import seed_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.storage.sharded_array import ShardedArray

    Array = NDArray[np.float32]

AT_ONCE = 32
"""Images per call where nothing is trained."""
READ_AT_ONCE = 256
"""Images that are read at once: 13 MB."""


class HeadLayers:
    """The layers of a head."""

    def __init__(self) -> None:
        """Create the layers."""
        self._hidden, self._top = keras.layers.Dense(UNITS, activation="relu"), keras.layers.Dense(1)
        self._dropout = NoiseDropout()

    def logits(self, features: Any) -> Any:
        """Return the logits of features."""
        return self._top(self._hidden(features))

    def logits_with_dropout(self, features: Any, noise: Any) -> Any:
        """Return the logits of features, with hidden units dropped as the noise says."""
        return self._top(self._dropout([self._hidden(features), noise]))

    def set_dropout(self, rate: float) -> None:
        """Set the probability that a hidden unit is dropped."""
        self._dropout.rate.assign(rate)

    @property
    def variables(self) -> list[Any]:
        """Kernel and bias of the hidden layer, kernel and bias of the output."""
        return [*self._hidden.trainable_variables, *self._top.trainable_variables]


def require_graph(backbone: Any) -> None:
    """Refuse a backbone whose layers cannot be seen, or a Keras that cannot train it here.

    Raises:
        ConfigError: the backbone is not a graph of Keras layers, or the Keras backend is not TensorFlow; the message is the
            reason.
    """
    if keras.backend.backend() != "tensorflow":
        raise ConfigError("training a network needs the TensorFlow backend of Keras: unset KERAS_BACKEND")
    if not (is_model_of_keras(backbone) and is_graph(backbone)):
        raise ConfigError("the backbone is not a Keras model that is built as a graph with one input and one output")


def noise_input() -> Any:
    """Return the input of a network for the noise of its dropout."""
    return keras.Input((UNITS,), dtype="uint16")


def features_of(backbone: Any, images: Any) -> Any:
    """Return the features of grey images, float32."""
    return ops.cast(backbone(ops.repeat(images, CHANNELS, axis=-1)), "float32")


def random_states(layer: Any) -> list[Any]:
    """Return the variables that the random layers of a layer draw from."""
    weights = {id(one) for one in layer.weights}
    return [one for one in layer.variables if id(one) not in weights]


def set_states(states: Sequence[Any], seed: int) -> None:
    """Set what each random layer draws from, so that all that follows depends on a seed."""
    for number, state in enumerate(states):
        state.assign(np.array([seed_from(seed, "layer", number), 0]))


def values_of(variables: Sequence[Any]) -> list[Array]:
    """Return copies of the values of variables."""
    return [_value(one) for one in variables]


def _value(variable: Any) -> Array:
    return np.array(ops.convert_to_numpy(variable))


def whole_network(variables: Sequence[Any], weights: Sequence[Array], backbone: Any, head: HeadLayers) -> NetworkWeights:
    """Return all weights of a network, where some of its variables have these values."""
    values = {id(one): value for one, value in zip(variables, weights, strict=True)}
    of_backbone = [values[id(one)] if id(one) in values else _value(one) for one in backbone.weights]
    return NetworkWeights(backbone=of_backbone, head=tuple(values[id(one)] for one in head.variables))


def weights_from_whole(variables: Sequence[Any], whole: NetworkWeights, backbone: Any, head: HeadLayers) -> list[Array]:
    """Return the values of some variables of a network, given all its weights."""
    pairs = zip((*backbone.weights, *head.variables), (*whole.backbone, *whole.head), strict=True)
    values = {id(one): value for one, value in pairs}
    return [values[id(one)] for one in variables]


def shares_by_layer(network: Any, layer_decay: float) -> tuple[float, ...]:
    """Return the share of the learning rate of each trainable variable.

    It is `layer_decay` at the network's first layer and 1 at its last, and rises by the same factor from each layer to the
    next (Howard and Ruder, ACL 2018, by layer; here the ends are fixed, so that one value means the same for any depth).
    """
    places = {id(one): place for place, layer in enumerate(_learning_layers(network)) for one in layer.trainable_variables}
    last = max(places.values())
    return tuple(layer_decay ** (1 - places[id(one)] / last) for one in network.trainable_variables)


def _learning_layers(network: Any) -> Iterator[Any]:
    """Yield the layers with variables that learn, from the images to the logit."""
    for layer in network.layers:
        if is_graph(layer):
            yield from _learning_layers(layer)
        elif layer.trainable_variables:
            yield layer


class CompiledInference:
    """A network as a function of weights and of what it learns from: grey images, or maps."""

    def __init__(self, model: Any, variables: Sequence[Any]) -> None:
        """Compile a model, whose other variables keep the values that they have.

        Args:
            model: images ``[n, size, size, 1]``, or maps, to logits ``[n, 1]``.
            variables: of the model, those whose values are given.
        """
        import tensorflow

        def call(weights: Any, images: Any) -> Any:
            given = {id(one): value for one, value in zip(variables, weights, strict=True)}
            parts = (model.trainable_variables, model.non_trainable_variables)
            values = ([given.get(id(one), one.value) for one in part] for part in parts)
            return model.stateless_call(*values, images, training=False)[0]

        specs = [tensorflow.TensorSpec(one.shape, tensorflow.float32) for one in variables]
        self._shape = model.inputs[0].shape[1:]
        signature = [specs, tensorflow.TensorSpec((None, *self._shape), tensorflow.float32)]
        self._compiled: Callable[..., Any] = tensorflow.function(call, input_signature=signature, autograph=False)

    def logits(self, weights: Sequence[Array], images: NDArray[Any]) -> NDArray[np.float64]:
        """Return one logit per grey image, uint8 ``[n, size, size]``, or per row of maps."""
        import tensorflow

        shaped = images.reshape(len(images), *self._shape)
        blocks = (shaped[start : start + AT_ONCE].astype(np.float32) for start in range(0, len(images), AT_ONCE))
        logits = (np.asarray(self._compiled(list(weights), tensorflow.constant(block))) for block in blocks)
        return np.concatenate([block[:, 0].astype(np.float64) for block in logits])

    def logits_of_rows(self, weights: Sequence[Array], images: ShardedArray, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return one logit per row of an array of images, which is read block by block."""
        blocks = (images.gather(rows[start : start + READ_AT_ONCE]) for start in range(0, len(rows), READ_AT_ONCE))
        return np.concatenate([self.logits(weights, block) for block in blocks])
