"""Breaks `other-seed`: the same draws for every view."""

from cxrbench.plugin import Augmentation, hookimpl


@hookimpl
def register_augmentations():
    return [Augmentation(name="mutant", factory=f"{__name__}:build")]


def build(*, input_shape, seed):
    import numpy as np

    generator = np.random.default_rng(42)
    return lambda images, training=True: np.asarray(images) * generator.uniform(0.8, 1.0) if training else images
