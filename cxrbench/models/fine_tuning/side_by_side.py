"""Several networks as one: side by side on the same image, with the mean of their logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxrbench.errors import ConfigError
from cxrbench.models.training.head_weights import heads_side_by_side, mean_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.models.training.head_weights import HeadWeights

PREFIX = "network-"
MOST_WEIGHTS = 2**27
"""Largest kernel of a joined head, half a gigabyte: it grows with the square of the number of networks."""


def join_networks(networks: Sequence[tuple[Any, HeadWeights]]) -> tuple[Any, HeadWeights]:
    """Return one backbone and one head, whose logit is the mean of the logits of these networks.

    Args:
        networks: backbones, as `join_backbones` takes them, and their heads.

    Raises:
        ConfigError: they are too many.
    """
    if len(networks) == 1:
        return networks[0]
    backbones, heads = zip(*networks, strict=True)
    if len(heads) ** 2 * heads[0][0].size > MOST_WEIGHTS:
        raise ConfigError(
            f"{len(heads)} networks of this size are too many for one model: take those of one fold with --fold, or one of "
            "them with --fold and --seed"
        )
    return join_backbones(backbones), mean_head(heads_side_by_side(heads))


def join_backbones(backbones: Sequence[Any]) -> Any:
    """Return one backbone. Its features are those of all backbones, in their order, and so are its weights.

    Args:
        backbones: graphs of Keras layers for the same images.
    """
    if len(backbones) == 1:
        return backbones[0]
    import keras

    images = keras.Input(backbones[0].inputs[0].shape[1:])
    parts = [keras.Model(one.inputs[0], one.outputs[0], name=f"{PREFIX}{number}") for number, one in enumerate(backbones)]
    return keras.Model(images, keras.layers.Concatenate(dtype="float32")([part(images) for part in parts]))


def parts_of(network: Any) -> list[Any]:
    """Return the networks that stand side by side in one, or the one itself."""
    parts = [layer for layer in getattr(network, "layers", ()) if is_part(layer)]
    return parts or [network]


def is_part(layer: Any) -> bool:
    """Return whether a layer is one of several networks that `join_backbones` joined."""
    return bool(layer.name.startswith(PREFIX))
