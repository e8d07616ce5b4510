"""Declares the factory itself instead of its import string."""

from cxrbench import Backbone, hookimpl


def embed(*, input_shape, weights, seed):
    return lambda images: images[:, :, 0, 0]


@hookimpl
def register_backbones():
    return [Backbone(name="direct", factory=embed)]
