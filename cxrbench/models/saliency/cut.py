"""Cut a Keras backbone at its last feature maps: images to maps, and what follows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.errors import ConfigError
from cxrbench.models.features.frozen_backbone import is_graph, is_model_of_keras
from cxrbench.models.fine_tuning.side_by_side import is_part

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cut:
    """A backbone in two parts.

    Attributes:
        front: a `keras.Model`, images ``[B, H, W, C]`` to feature maps ``[B, h, w, D]``.
        tail: the operations that turn these maps into features, one after the other.
    """

    front: Any
    tail: tuple[Callable[[Any], Any], ...]


def cut_backbone(backbone: Any) -> Cut:
    """Cut a backbone at the last tensor of its graph that still has places, ``[B, h, w, D]`` with more than one.

    The maps of networks that `join_backbones` joined are joined, too.

    Raises:
        ConfigError: it has no such tensor, or is not a graph of Keras layers; the message is the reason.
    """
    if not is_model_of_keras(backbone):
        raise ConfigError("the backbone is not a Keras model")
    if not is_graph(backbone):
        raise ConfigError("the backbone is not a Keras model that is built as a graph with one input and one output")
    import keras

    maps, tail = _walk_back(backbone.outputs[0])
    return Cut(front=keras.Model(backbone.inputs[0], maps), tail=tail)


def _walk_back(tensor: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the last tensor before this one that has places, and the operations from there to here.

    A nested network is entered: its first part becomes a model of its own, which is called where the network was. Keras
    cannot connect an inner tensor of a nested network to the inputs of the outer one ("Graph disconnected").
    """
    tail: list[Any] = []
    while not _has_places(tensor):
        if networks := _side_by_side(tensor):
            maps, joined = _walk_back_each(networks)
            return maps, (joined, *reversed(tail))
        operation, inputs = _origin(tensor)
        if is_graph(operation):
            maps, inner = _walk_back(operation.outputs[0])
            return _part(operation, maps)(inputs[0]), (*inner, *reversed(tail))
        tail.append(operation)
        tensor = inputs[0]
    if not _origin_inputs(tensor):
        raise ConfigError("the backbone has no feature maps between its images and its features")
    return tensor, tuple(reversed(tail))


def _part(network: Any, maps: Any) -> Any:
    """Return a network up to its maps, by its own name."""
    import keras

    return keras.Model(network.inputs[0], maps, name=network.name)


def _side_by_side(features: Any) -> list[Any]:
    """Return the features that these ones join, if they are those of networks that `join_backbones` joined; else nothing."""
    inputs = _origin_inputs(features)
    return inputs if len(inputs) > 1 and all(is_part(one._keras_history.operation) for one in inputs) else []


def _walk_back_each(networks: list[Any]) -> tuple[Any, Callable[[Any], Any]]:
    """Return the joined maps of networks side by side, and the operation that turns them into their joined features."""
    from keras import ops

    found = [_walk_back(features) for features in networks]
    stops = np.cumsum([maps.shape[-1] for maps, _ in found])[:-1].tolist()

    def joined(maps: Any) -> Any:
        parts = [_features(tail, part) for (_, tail), part in zip(found, ops.split(maps, stops, axis=-1), strict=True)]
        return ops.concatenate(parts, axis=-1)

    return ops.concatenate([maps for maps, _ in found], axis=-1), joined


def _features(tail: Sequence[Callable[[Any], Any]], tensor: Any) -> Any:
    for operation in tail:
        tensor = operation(tensor)
    return tensor


def _has_places(tensor: Any) -> bool:
    return len(tensor.shape) == 4 and tuple(tensor.shape[1:3]) != (1, 1)


def _origin(tensor: Any) -> tuple[Any, list[Any]]:
    inputs = _origin_inputs(tensor)
    if len(inputs) != 1:
        raise ConfigError("the features of the backbone come from several layers, not from one set of feature maps")
    return tensor._keras_history.operation, inputs


def _origin_inputs(tensor: Any) -> list[Any]:
    """Return the tensors that this one is computed from. Keras documents no other way into the graph of a nested network."""
    operation, node, _ = tensor._keras_history
    return list(operation._inbound_nodes[node].input_tensors)
