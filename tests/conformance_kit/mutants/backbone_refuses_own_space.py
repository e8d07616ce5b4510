"""Breaks `own-space`: rejects a part of its declared space."""

from cxrbench.plugin import Backbone, Int, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="mutant", factory=f"{__name__}:build", space=f"{__name__}:space")]


def space(*, input_shape):
    return {"cells": Int(low=2, high=input_shape[0] * 2)}


def build(*, input_shape, weights, seed, cells: int = 4):
    size = input_shape[0] // cells
    if size < 1:
        raise ValueError(f"{cells} cells do not fit")
    return lambda images: images[:, ::size, ::size, 0].reshape(len(images), -1) / 255
