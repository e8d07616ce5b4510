"""Breaks `identity-at-inference`: ignores the argument training."""

from cxrbench.plugin import Augmentation, hookimpl


@hookimpl
def register_augmentations():
    return [Augmentation(name="mutant", factory=f"{__name__}:build")]


def build(*, input_shape, seed):
    import numpy as np

    generator = np.random.default_rng(seed)
    return lambda images, training=True: np.asarray(images) * generator.uniform(0.8, 0.99)
