"""Cut a Keras backbone at its last feature maps: images to maps, and what follows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxrbench.errors import ConfigError
from cxrbench.models.features.frozen_backbone import is_graph, is_model_of_keras

if TYPE_CHECKING:
    from collections.abc import Callable


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
        operation, inputs = _origin(tensor)
        if is_graph(operation):
            import keras

            maps, inner = _walk_back(operation.outputs[0])
            return keras.Model(operation.inputs[0], maps)(inputs[0]), (*inner, *reversed(tail))
        tail.append(operation)
        tensor = inputs[0]
    if not _origin_inputs(tensor):
        raise ConfigError("the backbone has no feature maps between its images and its features")
    return tensor, tuple(reversed(tail))


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
