"""Breaks `shape`: cuts off the edges."""

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
        first = generator.integers(1, 8)
        return np.asarray(images)[:, first : first + 32, 8:40]

    return augment
