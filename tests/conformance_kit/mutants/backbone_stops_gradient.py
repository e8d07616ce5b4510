"""Breaks `gradients`: stops the gradient before the features."""

from cxrbench.plugin import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="mutant", factory=f"{__name__}:build")]


def build(*, input_shape, weights, seed):
    import keras

    draw = keras.initializers.HeNormal(seed)
    images = keras.Input(input_shape)
    maps = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    maps = keras.layers.Conv2D(8, 5, strides=4, activation="relu", kernel_initializer=draw)(maps)
    features = keras.layers.Flatten()(keras.layers.AveragePooling2D(4)(maps))
    return keras.Model(images, keras.ops.stop_gradient(features))
