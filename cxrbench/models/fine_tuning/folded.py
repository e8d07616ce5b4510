"""Batch normalisation in inference mode as a part of the convolution before it: training takes two thirds of the time."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from cxrbench.models.features.frozen_backbone import is_graph

FOLDABLE = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


class FoldedConvolution(keras.layers.Layer):
    """A convolution and the batch normalisation after it, with the moving statistics as constants.

    The kernel is scaled instead of the maps, so no map is read and written for the normalisation, forwards or backwards.
    Kernel, gamma and beta are those of the two layers and learn as they would.
    """

    def __init__(self, convolution: Any, normalisation: Any) -> None:
        """Join two layers that are built."""
        super().__init__(name=f"{convolution.name}_folded", dtype=convolution.dtype_policy)
        self.convolution, self.normalisation = convolution, normalisation

    def call(self, maps: Any) -> Any:
        """Return what the two layers return for these maps."""
        scale, shift = _scale_and_shift(self.normalisation)
        layer = self.convolution
        common = {"strides": layer.strides, "padding": layer.padding, "dilation_rate": layer.dilation_rate}
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            kernel = layer.kernel * ops.reshape(scale, (-1, layer.depth_multiplier))
            folded = ops.depthwise_conv(maps, ops.cast(kernel, self.compute_dtype), **common)
        else:
            folded = ops.conv(maps, ops.cast(layer.kernel * scale, self.compute_dtype), **common)
        if layer.use_bias:
            shift = shift + layer.bias * scale
        return folded + ops.cast(shift, self.compute_dtype)


def with_folded_normalisation(model: Any) -> Any:
    """Return a network with the variables of `model`, each batch normalisation in inference mode and folded where it can be.

    A normalisation can be folded if what it normalises is the output of a convolution that ends without an activation.
    Networks inside the network are treated alike.

    Args:
        model: a `keras.Model` that is a graph of layers.
    """
    graph = keras.Model(model.inputs[0], model.outputs[0])  # a Sequential is one, too
    return keras.models.clone_model(graph, clone_function=lambda layer: layer, call_function=_call)


def _call(layer: Any, *arguments: Any, **keywords: Any) -> Any:
    if is_graph(layer):
        return with_folded_normalisation(layer)(*arguments, **keywords)
    if not isinstance(layer, keras.layers.BatchNormalization):
        return layer(*arguments, **keywords)
    convolution, node, _ = arguments[0]._keras_history
    if not _is_foldable(convolution, layer):
        return layer(arguments[0], training=False)
    (maps,) = convolution._inbound_nodes[node].input_tensors
    return FoldedConvolution(convolution, layer)(maps)


def _is_foldable(before: Any, normalisation: Any) -> bool:
    if type(before) not in FOLDABLE:
        return False
    channels_last = before.data_format == "channels_last" and normalisation.axis in {-1, 3}
    return channels_last and before.activation is keras.activations.linear


def _scale_and_shift(normalisation: Any) -> tuple[Any, Any]:
    """Return what the normalisation multiplies each channel by, and what it then adds."""
    scale = ops.rsqrt(normalisation.moving_variance + normalisation.epsilon)
    if normalisation.scale:
        scale = scale * normalisation.gamma
    shift = -normalisation.moving_mean * scale
    return scale, shift + normalisation.beta if normalisation.center else shift
