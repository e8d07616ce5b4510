"""Breaks `drawn-anew`: NumPy's random numbers in a Keras layer become constants when it is compiled."""

from cxrbench.plugin import Augmentation, hookimpl


@hookimpl
def register_augmentations():
    return [Augmentation(name="mutant", factory=f"{__name__}:build")]


def build(*, input_shape, seed):
    import keras
    import numpy as np

    class Brightness(keras.layers.Layer):
        generator = np.random.default_rng(seed)

        def call(self, images, training=True):
            return images * self.generator.uniform(0.8, 1.0) if training else images

    return Brightness()
