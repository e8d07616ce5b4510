"""A small convolutional backbone, whose weights are in a file that an option names; its layers are in a module of its own."""

import sys
from pathlib import Path

from cxrbench import Augmentation, Backbone, hookimpl

sys.path.append(str(Path(__file__).parent))


@hookimpl
def register_backbones():
    factory = f"{__name__}:build"
    return (
        Backbone(name="squeeze", factory=factory),
        Backbone(name="squeeze-fixed", factory=factory, fixed={"file": "weights.npz"}),
        Backbone(name="squeeze-default", factory=f"{__name__}:build_default"),
        Backbone(name="squeeze-of-choice", factory=f"{__name__}:build_of_choice", weights=f"{__name__}:choose"),
    )


@hookimpl
def register_augmentations():
    return (Augmentation(name="tone-curve", factory=f"{__name__}:tone_curve", views=1),)


def build(*, input_shape, weights, seed, file: str, width: int = 4, scale: float = 1.0, pooling: str = "mean"):
    import numpy as np
    from squeeze_layers import fire

    kernels = np.load(file)["kernels"][:width] * scale
    return lambda images: fire(images, kernels, pooling)


def build_default(*, input_shape, weights, seed, file: str = "weights.npz"):
    return build(input_shape=input_shape, weights=weights, seed=seed, file=file)


def build_of_choice(*, input_shape, weights, seed):
    return build(input_shape=input_shape, weights=weights, seed=seed, file=weights)


def choose(*, input_shape, weights):
    return None


def tone_curve(*, input_shape, seed, table: str):
    import numpy as np

    curve = np.loadtxt(Path(table), delimiter=",")
    return lambda images, training=False: np.interp(images, *curve).astype(np.float32) if training else images
