"""Breaks `drawn-anew`: one draw for all batches."""

from cxrbench.plugin import Augmentation, hookimpl


@hookimpl
def register_augmentations():
    return [Augmentation(name="mutant", factory=f"{__name__}:build")]


def build(*, input_shape, seed):
    import numpy as np

    factor = np.random.default_rng(seed).uniform(0.8, 1.0)
    return lambda images, training=True: np.asarray(images) * factor if training else images
