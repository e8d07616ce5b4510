"""Breaks `batch-neighbours`: normalises over the batch."""

from cxrbench.plugin import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="mutant", factory=f"{__name__}:build")]


def build(*, input_shape, weights, seed):

    def describe(images):
        coarse = images[:, ::8, ::8, 0].reshape(len(images), -1)
        return coarse / (1 + coarse.mean())

    return describe
