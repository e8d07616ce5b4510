"""Breaks `tells-apart`: looks at the shape of images only."""

from cxrbench.plugin import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="mutant", factory=f"{__name__}:build")]


def build(*, input_shape, weights, seed):
    import numpy as np

    return lambda images: np.ones((len(images), 4), dtype=np.float32) * images.shape[1]
