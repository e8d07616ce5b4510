"""The exact saliency map of a network as its second output, for files that other programs run.

The map and its formula are those of `cxrbench.models.saliency.exact`. It needs no gradients, only products that every format
has, so it can be part of the graph.
"""

from __future__ import annotations

from typing import Any

from cxrbench.errors import ConfigError
from cxrbench.models.formats.keras_file import BACKBONE, HIDDEN, RGB, SCORE, add_head, take_apart
from cxrbench.models.saliency.cut import cut_backbone

MAP = "map"


def with_map(network: Any) -> Any:
    """Return a network with the outputs ``score`` ``[n, 1]`` and ``map`` ``[n, h, w]`` in logits.

    Its scores are those of `network` only if the features of the backbone are the mean of its last feature maps: compare them,
    because names of layers do not prove it.

    Args:
        network: as `make_network` builds it; not changed.

    Raises:
        ConfigError: the backbone has no such feature maps; the message is the reason.
    """
    import keras

    backbone, head = take_apart(network)
    front = cut_backbone(backbone).front
    maps = keras.layers.Activation("linear", dtype="float32", name="maps")(front(network.get_layer(RGB).output))
    if maps.shape[-1] != head[0].shape[0]:
        raise ConfigError(f"the backbone has {head[0].shape[0]:,} features, but {maps.shape[-1]:,} feature maps")
    features = keras.layers.GlobalAveragePooling2D(data_format="channels_last", dtype="float32", name=BACKBONE)(maps)
    score = add_head(features, head)
    hidden = keras.Model(network.inputs[0], score).get_layer(HIDDEN).output
    return keras.Model(network.inputs[0], {SCORE: score, MAP: _map(maps, hidden, head[0], head[2])}, name=network.name)


def _map(maps: Any, hidden: Any, hidden_kernel: Any, output_kernel: Any) -> Any:
    """Return the share of each place in the logit, maps ``[n, h, w, D]`` and hidden units ``[n, units]`` to ``[n, h, w]``."""
    from keras import ops

    height, width = maps.shape[1:3]
    active = ops.cast(ops.greater(hidden, 0.0), "float32")
    # One matrix for both factors: each active unit adds its row of the hidden kernel, times its weight in the output.
    gradients = ops.matmul(active, (hidden_kernel * output_kernel[:, 0]).T / (height * width))
    return ops.sum(maps * ops.reshape(gradients, (-1, 1, 1, maps.shape[-1])), axis=-1)
