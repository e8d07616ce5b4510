"""Breaks `pixel-range`: returns pixels in 0..1."""

from cxrbench.plugin import Augmentation, hookimpl


@hookimpl
def register_augmentations():
    return [Augmentation(name="mutant", factory=f"{__name__}:build")]


def build(*, input_shape, seed):
    import numpy as np

    generator = np.random.default_rng(seed)

    def augment(images, training=True):
        if not training:
            return images
        return np.asarray(images) / 255 * generator.uniform(0.8, 1.2)

    return augment
