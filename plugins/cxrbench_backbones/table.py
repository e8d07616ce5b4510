"""The Keras Applications that are backbones: one row each, readable without importing Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Pixels = Literal["caffe", "torch", "tf", "inside"]
"""What a network was trained on: Keras' names of its three scalings, or ``inside``, where the network scales 0..255 itself."""

BUCKET = "https://storage.googleapis.com/tensorflow/keras-applications"


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One row: a network of `keras.applications` and the file of its ImageNet weights without the top.

    Attributes:
        name: what users write.
        builder: its name in `keras.applications`.
        pixels: the scaling it was trained with.
        smallest: the least height and width it can be built for.
        folder: the folder that Keras downloads from.
        file: the file's name; ``{rows}`` and ``{alpha}`` stand for image size and width multiplier where it depends on them.
        cached_as: what Keras calls the file on disk, where it renames it.
        digest: what Keras checks the file against; empty where Keras checks nothing.
        sizes: the square image sizes that have weights of their own; all others take those of 224.
        summary: one line about the network.
    """

    name: str
    builder: str
    pixels: Pixels
    smallest: int = 32
    folder: str
    file: str
    cached_as: str = ""
    digest: str = ""
    sizes: tuple[int, ...] = ()
    summary: str


APPLICATIONS = (
    Application(
        name="resnet50",
        builder="ResNet50",
        pixels="caffe",
        folder=f"{BUCKET}/resnet/",
        file="resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        digest="md5:4d473c1dd8becc155b73f8504c6f6626",
        summary="ResNet-50, 2,048 features (He et al., CVPR 2016)",
    ),
    Application(
        name="densenet121",
        builder="DenseNet121",
        pixels="torch",
        folder=f"{BUCKET}/densenet/",
        file="densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
        digest="md5:30ee3e1110167f948a6b9946edeeb738",
        summary="DenseNet-121, 1,024 features (Huang et al., CVPR 2017)",
    ),
    Application(
        name="inceptionv3",
        builder="InceptionV3",
        pixels="tf",
        smallest=75,
        folder=f"{BUCKET}/inception_v3/",
        file="inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        digest="md5:bcbd6486424b2319ff4ef7d526e38f63",
        summary="Inception v3, 2,048 features (Szegedy et al., CVPR 2016)",
    ),
    Application(
        name="vgg16",
        builder="VGG16",
        pixels="caffe",
        folder=f"{BUCKET}/vgg16/",
        file="vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        digest="md5:6d6bbae143d832006294945121d1f1fc",
        summary="VGG-16, 512 features (Simonyan and Zisserman, ICLR 2015)",
    ),
    Application(
        name="vgg19",
        builder="VGG19",
        pixels="caffe",
        folder=f"{BUCKET}/vgg19/",
        file="vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        digest="md5:253f8cb515780f3b799900260a226db6",
        summary="VGG-19, 512 features (Simonyan and Zisserman, ICLR 2015)",
    ),
    Application(
        name="resnet50v2",
        builder="ResNet50V2",
        pixels="tf",
        folder=f"{BUCKET}/resnet/",
        file="resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        digest="md5:fac2f116257151a9d068a22e544a4917",
        summary="ResNet-50 v2, 2,048 features (He et al., ECCV 2016)",
    ),
    Application(
        name="xception",
        builder="Xception",
        pixels="tf",
        smallest=71,
        folder=f"{BUCKET}/xception/",
        file="xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
        digest="md5:b0042744bf5b25fce3cb969f33bebb97",
        summary="Xception, 2,048 features (Chollet, CVPR 2017)",
    ),
    Application(
        name="mobilenet",
        builder="MobileNet",
        pixels="tf",
        folder=f"{BUCKET}/mobilenet/",
        file="mobilenet_{alpha}_{rows}_tf_no_top.h5",
        sizes=(128, 160, 192, 224),
        summary="MobileNet, alpha x 1,024 features, small and fast (Howard et al., 2017)",
    ),
    Application(
        name="mobilenetv2",
        builder="MobileNetV2",
        pixels="tf",
        folder=f"{BUCKET}/mobilenet_v2/",
        file="mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{rows}_no_top.h5",
        sizes=(96, 128, 160, 192, 224),
        summary="MobileNet v2, 1,280 features (Sandler et al., CVPR 2018)",
    ),
    Application(
        name="mobilenetv3-small",
        builder="MobileNetV3Small",
        pixels="inside",
        folder=f"{BUCKET}/mobilenet_v3/",
        file="weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
        digest="md5:d3e8ec802a04aa4fc771ee12a9a9b836",
        summary="MobileNet v3 small, 576 features (Howard et al., ICCV 2019)",
    ),
    Application(
        name="mobilenetv3-large",
        builder="MobileNetV3Large",
        pixels="inside",
        folder=f"{BUCKET}/mobilenet_v3/",
        file="weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
        digest="md5:07fb09a5933dd0c8eaafa16978110389",
        summary="MobileNet v3 large, 960 features (Howard et al., ICCV 2019)",
    ),
    Application(
        name="efficientnetb0",
        builder="EfficientNetB0",
        pixels="inside",
        folder="https://storage.googleapis.com/keras-applications/",
        file="efficientnetb0_notop.h5",
        digest="md5:50bc09e76180e00e4465e1a485ddc09d",
        summary="EfficientNet-B0, 1,280 features (Tan and Le, ICML 2019)",
    ),
    Application(
        name="efficientnetv2b0",
        builder="EfficientNetV2B0",
        pixels="inside",
        folder=f"{BUCKET}/efficientnet_v2/",
        file="efficientnetv2-b0_notop.h5",
        digest="md5:893217f2bb855e2983157299931e43ff",
        summary="EfficientNetV2-B0, 1,280 features (Tan and Le, ICML 2021)",
    ),
    Application(
        name="nasnetmobile",
        builder="NASNetMobile",
        pixels="tf",
        folder=f"{BUCKET}/nasnet/",
        file="NASNet-mobile-no-top.h5",
        cached_as="nasnet_mobile_no_top.h5",
        digest="md5:1ed92395b5b598bdda52abe5c0dbfd63",
        summary="NASNet-A mobile, 1,056 features (Zoph et al., CVPR 2018)",
    ),
    Application(
        name="convnext-tiny",
        builder="ConvNeXtTiny",
        pixels="inside",
        folder=f"{BUCKET}/convnext/",
        file="convnext_tiny_notop.h5",
        digest="sha256:d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
        summary="ConvNeXt-T, 768 features (Liu et al., CVPR 2022)",
    ),
)


def find(name: str) -> Application:
    """Return the row of a backbone."""
    return {row.name: row for row in APPLICATIONS}[name]
