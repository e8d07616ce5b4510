"""From pixels in 0..255 to what a pretrained network was trained on, as Keras layers that are part of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from cxrbench_backbones.table import Pixels

Preprocessing = Literal["native", "rescale"]
Scaling = Literal["none", "rescale"]

MEAN_BGR = (103.939, 116.779, 123.68)
"""ImageNet's means in 0..255, blue first: what the networks converted from Caffe subtract."""
MEAN_RGB = (0.485, 0.456, 0.406)
DEVIATION_RGB = (0.229, 0.224, 0.225)
"""ImageNet's means and standard deviations in 0..1, red first: what the networks converted from Torch were trained with."""


def preprocess(images: Any, pixels: Pixels, preprocessing: Preprocessing) -> Any:
    """Scale images ``[B, H, W, 3]`` in 0..255, RGB.

    ``native`` equals the `preprocess_input` of the network's module in `keras.applications`. ``rescale`` divides by 255,
    whatever the network wants; one that scales its input itself then does so a second time, as for everybody who feeds it 0..1.
    """
    if preprocessing == "rescale":
        return _scaled(images, 1 / 255, 0.0)
    if pixels == "tf":
        return _scaled(images, 1 / 127.5, -1.0)
    if pixels == "caffe":
        return _scaled(images[..., ::-1], 1.0, [-mean for mean in MEAN_BGR])
    if pixels == "torch":
        scale = [1 / (255 * deviation) for deviation in DEVIATION_RGB]
        offset = [-mean / deviation for mean, deviation in zip(MEAN_RGB, DEVIATION_RGB, strict=True)]
        return _scaled(images, scale, offset)
    return images


def rescaled(images: Any, scaling: Scaling) -> Any:
    """Return images in 0..1, or as they are, for a network of which nobody knows what it was trained on."""
    return _scaled(images, 1 / 255, 0.0) if scaling == "rescale" else images


def as_float32(features: Any) -> Any:
    """Hand out float32 under every precision."""
    import keras

    return keras.layers.Activation("linear", dtype="float32")(features)


def _scaled(images: Any, scale: float | list[float], offset: float | list[float]) -> Any:
    """Apply ``images * scale + offset``, in float32 under every precision."""
    import keras

    return keras.layers.Rescaling(scale, offset, dtype="float32")(images)
