"""First-party backbones: the Keras Applications, models that users bring, hand-made texture, and three controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.plugin import Backbone, hookimpl
from cxrbench_backbones.table import APPLICATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cxrbench_backbones.table import Application

TEXTURE = Backbone(
    name="texture",
    factory="cxrbench_backbones.texture:texture",
    summary="gradient histograms (HOG) and local binary patterns, 1,002 features, no weights",
)
RANDOM_CONVNET = Backbone(
    name="random-convnet",
    factory="cxrbench_backbones.random_convnet:random_convnet",
    summary="two untrained convolutions, 512 features, no weights",
)
CHEXNET = Backbone(
    name="chexnet",
    factory="cxrbench_backbones.chexnet:chexnet",
    summary="weights=FILE: DenseNet-121 trained on ChestX-ray14, 1,024 features (Rajpurkar et al., arXiv 1711.05225)",
    weights="cxrbench_backbones.chexnet:weights_file",
    seen=("nih",),
)
KERAS_FILE = Backbone(
    name="keras-file",
    factory="cxrbench_backbones.keras_file:keras_file",
    summary="path=MODEL.keras[,layer=NAME]: any model that Keras saved, up to a layer of it",
    weights="cxrbench_backbones.keras_file:model_file",
)
ONNX_FILE = Backbone(
    name="onnx",
    factory="cxrbench_backbones.onnx_file:onnx_file",
    summary="path=MODEL.onnx[,scale=1/255,mean=NUMBERS,std=NUMBERS]: any network in an ONNX file, such as DINOv2 or RAD-DINO",
    weights="cxrbench_backbones.onnx_file:model_file",
    requires=("onnxruntime",),
)
HYPERMODEL = Backbone(
    name="hypermodel",
    factory="cxrbench_backbones.hypermodel:hypermodel",
    summary="class=keras_tuner.applications.HyperResNet, or any other: its hyper-parameters are searched, weights drawn",
    space="cxrbench_backbones.hypermodel:search_space",
    points_to=("class",),
)
CONTROLS = (
    Backbone(
        name="control-border",
        factory="cxrbench_backbones.controls:border",
        summary="control: only the outer frame of the image",
        control=True,
    ),
    Backbone(
        name="control-intensity",
        factory="cxrbench_backbones.controls:intensity",
        summary="control: only how bright the pixels are, not where",
        control=True,
    ),
    Backbone(
        name="control-thumbnail",
        factory="cxrbench_backbones.controls:thumbnail",
        summary="control: only 8x8 grey pixels",
        control=True,
    ),
)


@hookimpl
def register_backbones() -> Iterable[Backbone]:
    """Declare every backbone of this package."""
    return (*map(_declare, APPLICATIONS), TEXTURE, RANDOM_CONVNET, CHEXNET, KERAS_FILE, ONNX_FILE, HYPERMODEL, *CONTROLS)


def _declare(row: Application) -> Backbone:
    """Turn a row of the table into a declaration."""
    builder = "mobilenet" if "{alpha}" in row.file else "application"
    return Backbone(
        name=row.name,
        factory=f"cxrbench_backbones.applications:{builder}",
        summary=row.summary,
        fixed={"network": row.name},
        weights="cxrbench_backbones.applications:weights_file",
    )
