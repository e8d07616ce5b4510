"""Breaks `finite`: standardises black images."""

from cxrbench.plugin import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="mutant", factory=f"{__name__}:build")]


def build(*, input_shape, weights, seed):
    import numpy as np

    def describe(images):
        coarse = images[:, ::8, ::8, 0].reshape(len(images), -1)
        with np.errstate(all="ignore"):
            return (coarse - coarse.mean(axis=1, keepdims=True)) / coarse.std(axis=1, keepdims=True)

    return describe
