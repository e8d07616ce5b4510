"""A backbone and a head as one network that learns: images, or maps, and the noise of its dropout in, one logit out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

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

    from cxrbench.models.fine_tuning.cut import CutBackbone
    from cxrbench.models.training.head_weights import HeadWeights
    from cxrbench.storage.sharded_array import ShardedArray

    Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """A network with the backbone's variables and a head of its own. Its weights are `learning`, followed by `statistics`.

    Attributes:
        backbone: all of it, also where only its upper part learns.
        head: its layers.
        training: the `keras.Model`, (images ``[n, size, size, 1]`` or maps, noise ``[n, UNITS]``) to logits ``[n, 1]``.
        inference: images or maps to logits, compiled.
        learning: variables that follow a gradient.
        initial: weights that the backbone was built with; empty where the network starts from random ones.
        in_training_mode: whether the layers of the backbone do what they do in training.
        statistics: variables of floats that a call in training mode updates, such as the moving statistics of batch
            normalisation. Both are averaged over the same steps, as the latest statistics belong to other weights than the
            averaged ones. Empty where the network stays in inference mode.
        other_state: further variables that a call in training mode updates.
        draws_from: what its random layers draw from in training mode.
    """

    backbone: Any
    head: HeadLayers
    training: Any
    inference: CompiledInference
    learning: Sequence[Any]
    initial: Sequence[Array] = ()
    in_training_mode: bool = False
    statistics: Sequence[Any] = ()
    other_state: Sequence[Any] = ()
    draws_from: Sequence[Any] = ()

    def call(self, images: Any, noise: Any) -> Any:
        """Return the logits that the loss is computed from."""
        return self.training([images, noise], training=self.in_training_mode)

    def set_dropout(self, rate: float) -> None:
        """Set the probability that a hidden unit of the head is dropped."""
        self.head.set_dropout(rate)

    def set_seed(self, seed: int) -> None:
        """Set what the backbone's random layers draw from."""
        set_states(self.draws_from, seed)

    def shares(self, layer_decay: float) -> tuple[float, ...]:
        """Return the share of the learning rate of each variable in `learning`, as `shares_by_layer` does."""
        return shares_by_layer(self.training, layer_decay)

    def logits(self, weights: Sequence[Array], images: NDArray[Any]) -> NDArray[np.float64]:
        """Return one logit per grey image, uint8 ``[n, size, size]``, or row of maps, as if these were its weights."""
        return self.inference.logits(weights, images)

    def logits_of_rows(self, weights: Sequence[Array], images: ShardedArray, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return one logit per row of an array of images, or of maps, which is read block by block."""
        return self.inference.logits_of_rows(weights, images, rows)

    def whole(self, weights: Sequence[Array]) -> NetworkWeights:
        """Return all weights of backbone and head, if these are those of the network."""
        return whole_network((*self.learning, *self.statistics), weights, self.backbone, self.head)

    def weights_of(self, whole: NetworkWeights) -> list[Array]:
        """Return the weights of the network among all those of backbone and head."""
        return weights_from_whole((*self.learning, *self.statistics), whole, self.backbone, self.head)

    def weights_with(self, head: HeadWeights) -> list[Array]:
        """Return the weights that the backbone was built with, and those of a head."""
        return self.weights_of(NetworkWeights(backbone=self.initial, head=head))


def network_on_images(backbone: Any, size: int) -> Network:
    """Return a network in which all of a backbone learns, from grey images ``[n, size, size, 1]``.

    Batch normalisation is in inference mode throughout.

    Raises:
        ConfigError: the backbone cannot be trained here; the message is the reason.
    """
    require_graph(backbone)
    backbone.trainable = True
    images = keras.Input((size, size, 1))
    return _in_inference_mode(backbone, images, features_of(with_folded_normalisation(backbone), images))


def network_on_maps(parts: CutBackbone) -> Network:
    """Return a network in which the upper part of a backbone learns, from the maps that the lower part makes of images."""
    maps = keras.Input(parts.lower.output.shape[1:], dtype="float32")
    return _in_inference_mode(parts.backbone, maps, ops.cast(with_folded_normalisation(parts.upper)(maps), "float32"))


def network_in_training_mode(backbone: Any, size: int) -> Network:
    """Return a network that learns as Keras trains one: batch normalisation uses the batch, and layers drop what they drop.

    Args:
        backbone: all of it learns.
        size: of its grey images ``[n, size, size, 1]``.

    Raises:
        ConfigError: the backbone cannot be trained here; the message is the reason.
    """
    require_graph(backbone)
    backbone.trainable = True
    head, images, noise = HeadLayers(), keras.Input((size, size, 1)), noise_input()
    training = keras.Model([images, noise], head.logits_with_dropout(features_of(backbone, images), noise))
    learning = training.trainable_variables
    statistics = [one for one in backbone.non_trainable_weights if keras.backend.is_float_dtype(one.dtype)]
    numbers = {id(one) for one in statistics}
    logits = head.logits(features_of(with_folded_normalisation(backbone), images))
    return Network(
        backbone=backbone,
        head=head,
        training=training,
        inference=CompiledInference(keras.Model(images, logits), [*learning, *statistics]),
        learning=learning,
        in_training_mode=True,
        statistics=statistics,
        other_state=[one for one in backbone.non_trainable_variables if id(one) not in numbers],
        draws_from=random_states(backbone),
    )


def random_network(backbone: Any, seed: int) -> NetworkWeights:
    """Return the weights of a backbone that was built with the seed of a training, and a head that is drawn from that seed."""
    head = random_head(backbone.output.shape[-1], UNITS, np.random.default_rng(seed))
    return NetworkWeights(backbone=values_of(backbone.weights), head=head)


def _in_inference_mode(backbone: Any, images: Any, features: Any) -> Network:
    """Return a network that no call updates.

    Args:
        backbone: all of it.
        images: the input: a `keras.Input` of grey images, or of maps.
        features: what the part of the backbone that learns makes of it, float32 ``[n, D]``.
    """
    head, noise = HeadLayers(), noise_input()
    training = keras.Model([images, noise], head.logits_with_dropout(features, noise))
    learning = training.trainable_variables
    return Network(
        backbone=backbone,
        head=head,
        training=training,
        inference=CompiledInference(keras.Model(images, head.logits(features)), learning),
        learning=learning,
        initial=values_of(backbone.weights),
    )
