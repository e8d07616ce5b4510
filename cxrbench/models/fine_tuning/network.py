"""A backbone and a head as one network that learns: grey images and the noise of its dropout in, one logit out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from cxrbench.errors import ConfigError
from cxrbench.models.features.frozen_backbone import CHANNELS, is_graph, is_model_of_keras
from cxrbench.models.fine_tuning.folded import with_folded_normalisation
from cxrbench.models.fine_tuning.network_file import NetworkWeights
from cxrbench.models.training.head import UNITS, NoiseDropout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.models.training.head_weights import HeadWeights
    from cxrbench.storage.sharded_array import ShardedArray

    Array = NDArray[np.float32]

AT_ONCE = 32
"""Images per call where nothing is trained."""
READ_AT_ONCE = 256
"""Images that are read at once: 13 MB."""


class Network:
    """A network with the backbone's variables and a head of its own. Batch normalisation is in inference mode throughout.

    Attributes:
        training: the `keras.Model`, (images ``[n, size, size, 1]``, noise ``[n, UNITS]``) to logits ``[n, 1]``.
    """

    def __init__(self, backbone: Any, size: int) -> None:
        """Build the network on a backbone, which becomes trainable.

        Raises:
            ConfigError: the backbone is not a graph of Keras layers; the message is the reason.
        """
        if not (is_model_of_keras(backbone) and is_graph(backbone)):
            raise ConfigError("the backbone is not a Keras model that is built as a graph with one input and one output")
        backbone.trainable = True
        self._backbone = backbone
        images, noise = keras.Input((size, size, 1)), keras.Input((UNITS,), dtype="uint16")
        features = with_folded_normalisation(backbone)(ops.repeat(images, CHANNELS, axis=-1))
        features = ops.cast(features, "float32")
        self._hidden, self._top = keras.layers.Dense(UNITS, activation="relu"), keras.layers.Dense(1)
        self._dropout = NoiseDropout()
        hidden = self._hidden(features)
        self.training = keras.Model([images, noise], self._top(self._dropout([hidden, noise])))
        self._inference = keras.Model(images, self._top(hidden))
        self._compiled = _compiled_with_weights(self._inference, size)
        self._initial = [np.array(ops.convert_to_numpy(one)) for one in self.training.trainable_variables]

    def set_dropout(self, rate: float) -> None:
        """Set the probability that a hidden unit of the head is dropped."""
        self._dropout.rate.assign(rate)

    def weights_with(self, head: HeadWeights) -> list[Array]:
        """Return the trainable weights that the backbone was built with, and those of a head."""
        of_head = {id(one): value for one, value in zip(self._head_variables, head, strict=True)}
        variables = self.training.trainable_variables
        return [of_head.get(id(one), initial) for one, initial in zip(variables, self._initial, strict=True)]

    def shares(self, layer_decay: float) -> tuple[float, ...]:
        """Return the share of the learning rate of each trainable variable.

        It is `layer_decay` at the network's first layer and 1 at its last, and rises by the same factor from each layer to the
        next (Howard and Ruder, ACL 2018, by layer; here the ends are fixed, so that one value means the same for any depth).
        """
        places = {
            id(one): place for place, layer in enumerate(_learning_layers(self.training)) for one in layer.trainable_variables
        }
        last = max(places.values())
        return tuple(layer_decay ** (1 - places[id(one)] / last) for one in self.training.trainable_variables)

    def logits(self, weights: Sequence[Array], images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return one logit per grey image, uint8 ``[n, size, size]``, as if the network had these trainable weights."""
        blocks = (images[start : start + AT_ONCE, ..., None].astype(np.float32) for start in range(0, len(images), AT_ONCE))
        return np.concatenate([self._compiled(weights, block)[:, 0].astype(np.float64) for block in blocks])

    def logits_of_rows(self, weights: Sequence[Array], images: ShardedArray, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return one logit per row of an array of images, which is read block by block."""
        blocks = (images.gather(rows[start : start + READ_AT_ONCE]) for start in range(0, len(rows), READ_AT_ONCE))
        return np.concatenate([self.logits(weights, block) for block in blocks])

    def whole(self, weights: Sequence[Array]) -> NetworkWeights:
        """Return all weights of the network, if these are the trainable ones."""
        values = {id(one): value for one, value in zip(self.training.trainable_variables, weights, strict=True)}
        backbone = [values.get(id(one), np.array(ops.convert_to_numpy(one))) for one in self._backbone.weights]
        return NetworkWeights(backbone=backbone, head=tuple(values[id(one)] for one in self._head_variables))

    def weights_of(self, whole: NetworkWeights) -> list[Array]:
        """Return the trainable weights of a whole network."""
        pairs = zip((*self._backbone.weights, *self._head_variables), (*whole.backbone, *whole.head), strict=True)
        values = {id(one): value for one, value in pairs}
        return [values[id(one)] for one in self.training.trainable_variables]

    @property
    def _head_variables(self) -> list[Any]:
        return [*self._hidden.trainable_variables, *self._top.trainable_variables]


def _learning_layers(network: Any) -> Iterator[Any]:
    """Yield the layers with variables that learn, from the images to the logit."""
    for layer in network.layers:
        if is_graph(layer):
            yield from _learning_layers(layer)
        elif layer.trainable_variables:
            yield layer


def _compiled_with_weights(model: Any, size: int) -> Any:
    import tensorflow

    specs = [tensorflow.TensorSpec(one.shape, tensorflow.float32) for one in model.trainable_variables]

    def call(weights: Any, images: Any) -> Any:
        fixed = [one.value for one in model.non_trainable_variables]
        return model.stateless_call(weights, fixed, images, training=False)[0]

    signature = [specs, tensorflow.TensorSpec((None, size, size, 1), tensorflow.float32)]
    compiled = tensorflow.function(call, input_signature=signature, autograph=False)
    return lambda weights, images: np.asarray(compiled(list(weights), tensorflow.constant(images)))
