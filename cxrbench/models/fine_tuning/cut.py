"""Cut a backbone in two where a single tensor passes: a lower part that stays frozen, and an upper part that learns."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import TYPE_CHECKING, Any

import keras

from cxrbench.errors import ConfigError
from cxrbench.models.features.frozen_backbone import CHANNELS, is_graph
from cxrbench.models.fine_tuning.layers import require_graph

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


TOLERANCE = 0.05
"""How far from a share the maps may be chosen for their size: just after a stride they are half as large, or a quarter."""
FARTHEST = 0.25
"""How far from a share a place may be: a network whose blocks pass on two tensors, as NASNet's do, has one near its start."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CutBackbone:
    """A backbone in two parts, which share its layers and variables.

    Attributes:
        backbone: as it was built.
        lower: a `keras.Model`, images ``[n, size, size, 3]`` to maps.
        upper: a `keras.Model`, these maps to features.
        share: of the multiplications of the backbone that are in the lower part.
    """

    backbone: Any
    lower: Any
    upper: Any
    share: float

    @property
    def values(self) -> int:
        """The number of values of the maps of an image."""
        return prod(self.lower.output.shape[1:])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """A tensor that all of a backbone passes through.

    Attributes:
        share: of the multiplications of the backbone that come before it.
    """

    tensor: Any
    share: float

    @property
    def layer(self) -> str:
        """The name of the layer that the tensor comes from."""
        return str(self.tensor._keras_history.operation.name)


def cut(backbone: Any, size: int, where: float | str) -> CutBackbone:
    """Cut a backbone, which becomes trainable.

    Args:
        backbone: a graph of Keras layers.
        size: of the images ``[n, size, size, 3]``.
        where: the share of its multiplications that is to be below the cut, or the name of the last layer below it.
            Multiplications, as they are what a training step takes its time for: half of the parameters of a network are
            often in its last few layers.

    Raises:
        ConfigError: the backbone is not a graph of Keras layers, or has no such place; the message is the reason.
    """
    flat = with_nested_layers(backbone, size)
    backbone.trainable = True
    place = _place_after(flat, where) if isinstance(where, str) else _place_near(flat, where)
    lower, upper = keras.Model(flat.inputs[0], place.tensor), keras.Model(place.tensor, flat.outputs[0])
    return CutBackbone(backbone=backbone, lower=lower, upper=upper, share=place.share)


def with_nested_layers(backbone: Any, size: int) -> Any:
    """Return a `keras.Model` of the same layers in which none is a network: the layers of nested ones take its place.

    Most backbones are a network between its preprocessing and the conversion of its features, and cannot be cut otherwise.

    Args:
        backbone: a graph of Keras layers.
        size: of the images ``[n, size, size, 3]``.
    """
    require_graph(backbone)
    images = keras.Input((size, size, CHANNELS))
    return keras.Model(images, _flattened(backbone, images))


def places_to_cut(flat: Any) -> list[Place]:
    """Return the places where a network without nested ones can be cut, from its images to its features.

    Of all places that no multiplication divides, such as before and after an activation, it is the one with the smallest maps,
    the last of these.
    """
    found: dict[float, Place] = {}
    for place in _all_places(flat):
        smallest = found.get(place.share, place)
        if prod(place.tensor.shape[1:]) <= prod(smallest.tensor.shape[1:]):
            found[place.share] = place
    return list(found.values())


def _all_places(flat: Any) -> Iterator[Place]:
    """Yield the places with layers that learn on both sides, none of which is called on both."""
    nodes = _nodes(flat)
    spans, costs = _spans(nodes), list(accumulate(map(_multiplications, nodes)))
    for number, tensor in _single_tensors(nodes, flat.outputs[0]):
        if _divides(spans, number) and costs[number] < costs[-1]:
            yield Place(tensor=tensor, share=costs[number] / costs[-1])


def _place_near(flat: Any, share: float) -> Place:
    """Return the place with the smallest maps, at most `TOLERANCE` from the share; else the nearest."""
    places = places_to_cut(flat)
    if not places:
        raise ConfigError("the backbone cannot be cut: no single tensor has layers that learn both before and after it")
    place = min(places, key=lambda one: _preference(one, share))
    if abs(place.share - share) > FARTHEST:
        raise ConfigError(
            f"the backbone cannot be cut at {share:.0%} of its multiplications: the nearest place where a single tensor passes "
            f"is at {place.share:.0%}"
        )
    return place


def _place_after(flat: Any, layer: str) -> Place:
    """Return the place after the only layer of this name."""
    named = [place for place in _all_places(flat) if place.layer == layer]
    if len(named) != 1:
        possible = ", ".join(place.layer for place in places_to_cut(flat))
        problem = f"{len(named)} layers are called {layer!r}" if named else f"it has no layer {layer!r} to cut after"
        raise ConfigError(f"the backbone cannot be cut: {problem}. Layers to cut after: {possible or 'none'}")
    return named[0]


def _preference(place: Place, share: float) -> tuple[float, int, float]:
    distance = abs(place.share - share)
    return max(0.0, distance - TOLERANCE), prod(place.tensor.shape[1:]), distance


def _flattened(network: Any, inputs: Any) -> Any:
    """Return the output of a network whose layers are called one by one. Keras' public `clone_model` makes a new input."""
    graph = keras.Model(network.inputs[0], network.outputs[0])  # a Sequential is one, too
    return graph._run_through_graph(inputs, operation_fn=lambda layer: layer, call_fn=_call)


def _call(layer: Any, *arguments: Any, **keywords: Any) -> Any:
    return _flattened(layer, arguments[0]) if is_graph(layer) else layer(*arguments, **keywords)


def _nodes(flat: Any) -> list[Any]:
    """Return the calls of layers in an order in which each follows its inputs. Keras documents no way to them."""
    by_depth = flat._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def _single_tensors(nodes: Sequence[Any], features: Any) -> Iterator[tuple[int, Any]]:
    """Yield number and output of each call after which its output is all that later calls, or the caller, need."""
    last_use = {id(tensor): number for number, node in enumerate(nodes) for tensor in node.input_tensors}
    last_use[id(features)] = len(nodes)
    needed: set[int] = set()
    for number, node in enumerate(nodes):
        needed |= {id(tensor) for tensor in node.output_tensors}
        needed = {one for one in needed if last_use.get(one, -1) > number}
        if len(node.output_tensors) == 1 and needed == {id(node.output_tensors[0])}:
            yield number, node.output_tensors[0]


def _spans(nodes: Sequence[Any]) -> list[tuple[int, int]]:
    """Return the numbers of the first and the last call that each variable takes part in."""
    calls: dict[int, list[int]] = {}
    for number, node in enumerate(nodes):
        for one in getattr(node.operation, "trainable_variables", ()):
            calls.setdefault(id(one), []).append(number)
    return [(numbers[0], numbers[-1]) for numbers in calls.values()]


def _divides(spans: Sequence[tuple[int, int]], number: int) -> bool:
    """Return whether there are variables up to this call and after it, and none is of both."""
    is_before, is_after = ([last <= number for _, last in spans], [first > number for first, _ in spans])
    return any(is_before) and any(is_after) and sum(is_before) + sum(is_after) == len(spans)


def _multiplications(node: Any) -> int:
    """Return those of kernels with an image, which each place of the output takes once; all others are few."""
    kernels = [prod(one.shape) for one in getattr(node.operation, "weights", ()) if len(one.shape) > 1]
    return int(sum(kernels) * prod(node.output_tensors[0].shape[1:-1]))
