"""Breaks `rows`: forgets to pool."""

from cxrbench.plugin import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="mutant", factory=f"{__name__}:build")]


def build(*, input_shape, weights, seed):
    import numpy as np

    return lambda images: np.asarray(images)[:, ::8, ::8] / 255
