"""Backbones that run out of memory above a batch size, in Keras or before it; and a strategy that always does."""

import numpy as np

from cxrbench import Backbone, Balance, Float, Imbalance, hookimpl


@hookimpl
def register_backbones():
    return [
        Backbone(name="hungry", factory=f"{__name__}:build"),
        Backbone(name="hungry-keras", factory=f"{__name__}:build_in_keras"),
    ]


@hookimpl
def register_imbalances():
    return [Imbalance(name="greedy", factory=f"{__name__}:decide", space={"appetite": Float(low=0.0, high=1.0)})]


def build(*, input_shape, weights, seed, fits: int = 8):
    def embed(images):
        if len(images) > fits:
            print(f"no room for {len(images)} images")  # noqa: T201  # the log of its row
            raise MemoryError(f"{len(images)} images are too many")
        return np.hstack([images.mean(axis=(1, 2)), images.std(axis=(1, 2))]) / 255

    return embed


def build_in_keras(*, input_shape, weights, seed, fits: int = 8):
    import keras

    class Hungry(keras.layers.Layer):
        def call(self, images):
            if images.shape[0] is not None and images.shape[0] > fits:
                raise MemoryError(f"{images.shape[0]} images are too many")
            return images / 255

    keras.utils.set_random_seed(seed)
    images = keras.Input(input_shape)
    hidden = keras.layers.Conv2D(8, 3, activation="relu")(Hungry()(images))
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(hidden))


def decide(fold, *, seed, appetite):
    if appetite > 0:
        raise MemoryError("no room for another image")
    return Balance()
