"""Breaks `seeded`: draws from the process's own random numbers."""

from cxrbench.plugin import Augmentation, hookimpl


@hookimpl
def register_augmentations():
    return [Augmentation(name="mutant", factory=f"{__name__}:build")]


def build(*, input_shape, seed):
    import numpy as np

    return lambda images, training=True: np.asarray(images) * np.random.uniform(0.8, 1.0) if training else images
