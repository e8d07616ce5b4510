"""Breaks `repeatable`: draws anew at every call."""

from cxrbench.plugin import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="mutant", factory=f"{__name__}:build")]


def build(*, input_shape, weights, seed):
    import numpy as np

    generator = np.random.default_rng(seed)

    def describe(images):
        coarse = images[:, ::8, ::8, 0].reshape(len(images), -1) / 255
        return coarse * generator.uniform(0.5, 1.5, coarse.shape[1])

    return describe
