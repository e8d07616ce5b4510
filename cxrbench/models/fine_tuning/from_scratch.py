"""A backbone and a head as one network that learns from random weights, with all that its layers do in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from cxrbench.models.fine_tuning.folded import with_folded_normalisation
from cxrbench.models.fine_tuning.layers import (
    CompiledInference,
    HeadLayers,
    features_of,
    noise_input,
    random_states,
    require_graph,
    set_states,
    shares_by_layer,
    values_of,
    weights_from_whole,
    whole_network,
)
from cxrbench.models.fine_tuning.network_file import NetworkWeights
from cxrbench.models.training.head import UNITS
from cxrbench.models.training.head_weights import random_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cxrbench.storage.sharded_array import ShardedArray

    Array = NDArray[np.float32]


class NetworkFromScratch:
    """A network that is trained as Keras trains one: batch normalisation uses the batch, and layers drop what they drop.

    Its weights are the trainable ones, followed by the moving statistics. Both are averaged over the same steps, as the moving
    statistics of the latest step belong to other weights than the averaged ones.

    Attributes:
        training: the `keras.Model`, (images ``[n, size, size, 1]``, noise ``[n, UNITS]``) to logits ``[n, 1]``.
        learning: its trainable variables.
        statistics: the backbone's other weights, of floats, such as the moving statistics of batch normalisation.
        other_state: what its random layers draw from.
    """

    def __init__(self, backbone: Any, size: int) -> None:
        """Build the network on a backbone, which becomes trainable.

        Raises:
            ConfigError: the backbone is not a graph of Keras layers; the message is the reason.
        """
        require_graph(backbone)
        backbone.trainable = True
        self._backbone, self._head = backbone, HeadLayers()
        images, noise = keras.Input((size, size, 1)), noise_input()
        self.training = keras.Model([images, noise], self._head.logits_with_dropout(features_of(backbone, images), noise))
        self.learning = self.training.trainable_variables
        self.statistics: Sequence[Any] = [
            one for one in backbone.non_trainable_weights if keras.backend.is_float_dtype(one.dtype)
        ]
        self.other_state: Sequence[Any] = _without(backbone.non_trainable_variables, self.statistics)
        self._weights = [*self.learning, *self.statistics]
        logits = self._head.logits(features_of(with_folded_normalisation(backbone), images))
        self._inference = CompiledInference(keras.Model(images, logits), self._weights)

    def start(self, backbone: Any, seed: int) -> list[Array]:
        """Return random weights: those of `backbone`, and a head that is drawn from the seed as any other head.

        Args:
            backbone: has the layers of the network's own and is built with the seed of this training.
            seed: of the head.
        """
        head = random_head(backbone.output.shape[-1], UNITS, np.random.default_rng(seed))
        return self.weights_of(NetworkWeights(backbone=values_of(backbone.weights), head=head))

    def call(self, images: Any, noise: Any) -> Any:
        """Return the logits in training mode, and update `statistics` and `other_state`."""
        return self.training([images, noise], training=True)

    def set_dropout(self, rate: float) -> None:
        """Set the probability that a hidden unit of the head is dropped."""
        self._head.set_dropout(rate)

    def set_seed(self, seed: int) -> None:
        """Set what each random layer of the backbone draws from."""
        set_states(random_states(self._backbone), seed)

    def shares(self, layer_decay: float) -> tuple[float, ...]:
        """Return the share of the learning rate of each trainable variable, as `shares_by_layer` does."""
        return shares_by_layer(self.training, layer_decay)

    def logits(self, weights: Sequence[Array], images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return one logit per grey image, uint8 ``[n, size, size]``, in inference mode with these weights."""
        return self._inference.logits(weights, images)

    def logits_of_rows(self, weights: Sequence[Array], images: ShardedArray, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return one logit per row of an array of images, which is read block by block."""
        return self._inference.logits_of_rows(weights, images, rows)

    def whole(self, weights: Sequence[Array]) -> NetworkWeights:
        """Return all weights of the network, if these are the learnt ones and the statistics."""
        return whole_network(self._weights, weights, self._backbone, self._head)

    def weights_of(self, whole: NetworkWeights) -> list[Array]:
        """Return the learnt weights and the statistics of a whole network."""
        return weights_from_whole(self._weights, whole, self._backbone, self._head)


def _without(variables: Sequence[Any], left_out: Sequence[Any]) -> list[Any]:
    numbers = {id(one) for one in left_out}
    return [one for one in variables if id(one) not in numbers]
