"""Breaks `pixel-range`: 0..255 into hyperbolic tangents."""

from cxrbench.plugin import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="mutant", factory=f"{__name__}:build")]


def build(*, input_shape, weights, seed):
    import numpy as np

    kernel = np.random.default_rng(seed).normal(size=(64, 64)).astype(np.float32)
    return lambda images: np.tanh(images[:, ::8, ::8, 0].reshape(len(images), -1)[:, :64] @ kernel)
