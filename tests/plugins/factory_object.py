"""Gives the factory itself where its import string belongs."""

from cxrbench import Backbone, hookimpl


def embed(*, input_shape, weights, seed):
    return lambda images: images[:, :, 0, 0]


@hookimpl
def register_backbones():
    return [Backbone(name="direct", factory=embed)]
