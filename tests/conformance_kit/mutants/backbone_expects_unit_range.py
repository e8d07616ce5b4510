"""Breaks `pixel-range`: a network with biases made for 0..1 gets 0..255."""

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
            keras.layers.Conv2D(
                16, 5, strides=4, kernel_initializer=draw, bias_initializer=keras.initializers.RandomNormal(seed=1)
            ),
            keras.layers.Activation("relu"),
            keras.layers.AveragePooling2D(4),
            keras.layers.Flatten(),
        ]
    )
