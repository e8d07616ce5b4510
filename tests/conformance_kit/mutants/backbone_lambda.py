"""Breaks `saves`: a Lambda layer, which Keras refuses to load."""

from cxrbench.plugin import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="mutant", factory=f"{__name__}:build")]


def build(*, input_shape, weights, seed):
    import keras

    draw = keras.initializers.HeNormal(seed)
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Lambda(lambda images: images / 127.5 - 1.0),
            keras.layers.Conv2D(8, 5, strides=4, activation="relu", kernel_initializer=draw),
            keras.layers.AveragePooling2D(4),
            keras.layers.Flatten(),
        ]
    )
