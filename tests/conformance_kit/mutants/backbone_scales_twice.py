"""Breaks `pixel-range`: 0..1 to a network that scales 0..255 itself."""

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
            keras.layers.Rescaling(1 / 255),
            keras.layers.Rescaling(1 / 127.5, offset=-1.0),
            keras.layers.Conv2D(8, 5, strides=4, activation="relu", kernel_initializer=draw),
            keras.layers.AveragePooling2D(4),
            keras.layers.Flatten(),
        ]
    )
