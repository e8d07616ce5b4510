"""A backbone and a head as one network that learns: images, or maps, and the noise of its dropout in, one logit out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from cxrbench.models.fine_tuning.folded import with_folded_normalisation
from cxrbench.models.fine_tuning.layers import (
    CompiledInference,
    HeadLayers,
    features_of,
    noise_input,
    require_graph,
    shares_by_layer,
    values_of,
    weights_from_whole,
    whole_network,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.models.fine_tuning.cut import CutBackbone
    from cxrbench.models.fine_tuning.network_file import NetworkWeights
    from cxrbench.models.training.head_weights import HeadWeights
    from cxrbench.storage.sharded_array import ShardedArray

    Array = NDArray[np.float32]


def network_on_images(backbone: Any, size: int) -> Network:
    """Return a network in which all of a backbone learns, from grey images ``[n, size, size, 1]``.

    Raises:
        ConfigError: the backbone is not a graph of Keras layers; the message is the reason.
    """
    require_graph(backbone)
    backbone.trainable = True
    images = keras.Input((size, size, 1))
    return Network(backbone, images, features_of(with_folded_normalisation(backbone), images))


def network_on_maps(parts: CutBackbone) -> Network:
    """Return a network in which the upper part of a backbone learns, from the maps that the lower part makes of images."""
    maps = keras.Input(parts.lower.output.shape[1:], dtype="float32")
    return Network(parts.backbone, maps, ops.cast(with_folded_normalisation(parts.upper)(maps), "float32"))


class Network:
    """A network with the backbone's variables and a head of its own. Batch normalisation is in inference mode throughout.

    Attributes:
        training: the `keras.Model`, (images or maps, noise ``[n, UNITS]``) to logits ``[n, 1]``.
        learning: its trainable variables.
        statistics, other_state: none, as a call in inference mode updates nothing.
    """

    def __init__(self, backbone: Any, images: Any, features: Any) -> None:
        """Build the network on a backbone.

        Args:
            backbone: has all the weights that `whole` returns.
            images: the input: a `keras.Input` of grey images, or of maps.
            features: what the part of the backbone that learns makes of it, float32 ``[n, D]``.
        """
        self._backbone, self._head = backbone, HeadLayers()
        noise = noise_input()
        self.training = keras.Model([images, noise], self._head.logits_with_dropout(features, noise))
        self.learning = self.training.trainable_variables
        self.statistics: Sequence[Any] = ()
        self.other_state: Sequence[Any] = ()
        self._inference = CompiledInference(keras.Model(images, self._head.logits(features)), self.learning)
        self._initial = values_of(self.learning)

    def call(self, images: Any, noise: Any) -> Any:
        """Return the logits in inference mode, but for the dropout of the head."""
        return self.training([images, noise], training=False)

    def set_dropout(self, rate: float) -> None:
        """Set the probability that a hidden unit of the head is dropped."""
        self._head.set_dropout(rate)

    def set_seed(self, seed: int) -> None:
        """Do nothing: no layer of the backbone draws numbers in inference mode."""

    def weights_with(self, head: HeadWeights) -> list[Array]:
        """Return the trainable weights that the backbone was built with, and those of a head."""
        of_head = {id(one): value for one, value in zip(self._head.variables, head, strict=True)}
        return [of_head.get(id(one), initial) for one, initial in zip(self.learning, self._initial, strict=True)]

    def shares(self, layer_decay: float) -> tuple[float, ...]:
        """Return the share of the learning rate of each trainable variable, as `shares_by_layer` does."""
        return shares_by_layer(self.training, layer_decay)

    def logits(self, weights: Sequence[Array], images: NDArray[Any]) -> NDArray[np.float64]:
        """Return one logit per grey image, uint8 ``[n, size, size]``, or row of maps, as if these were its weights."""
        return self._inference.logits(weights, images)

    def logits_of_rows(self, weights: Sequence[Array], images: ShardedArray, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return one logit per row of an array of images, or of maps, which is read block by block."""
        return self._inference.logits_of_rows(weights, images, rows)

    def whole(self, weights: Sequence[Array]) -> NetworkWeights:
        """Return all weights of the network, if these are the trainable ones."""
        return whole_network(self.learning, weights, self._backbone, self._head)

    def weights_of(self, whole: NetworkWeights) -> list[Array]:
        """Return the trainable weights of a whole network."""
        return weights_from_whole(self.learning, whole, self._backbone, self._head)
