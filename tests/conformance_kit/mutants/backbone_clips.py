"""Breaks `every-grey`: greys above 160 are white."""

from cxrbench.plugin import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="mutant", factory=f"{__name__}:build")]


def build(*, input_shape, weights, seed):
    return lambda images: images[:, ::8, ::8, 0].reshape(len(images), -1).clip(0, 160) / 160
