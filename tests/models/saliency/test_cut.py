"""Which backbones can be cut at their feature maps, and which have exact maps."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from cxrbench.errors import ConfigError
from cxrbench.models.saliency.cut import cut_backbone
from cxrbench.models.saliency.method import best_method, make_method
from cxrbench_backbones.random_convnet import random_convnet
from cxrbench_backbones.texture import texture

pytestmark = pytest.mark.usefixtures("tensorflow_ready")


def images_in():
    return keras.Input((32, 32, 3))


def maps_of(tensor):
    return layers.Conv2D(4, 3, strides=4, activation="relu")(tensor)


def pooled_inside(*after):
    """Return a nested network, as the Keras Applications are: the inner one pools."""
    inner_in, outer_in = images_in(), images_in()
    inner = keras.Model(inner_in, layers.GlobalAveragePooling2D()(maps_of(inner_in)))
    features = inner(layers.Rescaling(1 / 255)(outer_in))
    for layer in after:
        features = layer(features)
    return keras.Model(outer_in, features)


def pooled_outside():
    """Return a network that is pooled by the outer model, as keras-file does."""
    inner_in, outer_in = images_in(), images_in()
    inner = keras.Model(inner_in, maps_of(inner_in))
    return keras.Model(outer_in, layers.GlobalAveragePooling2D()(inner(outer_in)))


def twice_nested():
    outer = images_in()
    return keras.Model(outer, layers.Dropout(0.5)(pooled_inside()(outer)))


def pooled_with_places_of_one():
    start = images_in()
    return keras.Model(start, layers.Flatten()(layers.GlobalAveragePooling2D(keepdims=True)(maps_of(start))))


QUALIFYING = {
    "pooled inside": pooled_inside,
    "an activation after": lambda: pooled_inside(layers.Activation("linear", dtype="float32")),
    "pooled outside": pooled_outside,
    "twice nested": twice_nested,
    "kept dimensions": pooled_with_places_of_one,
}


@pytest.mark.parametrize("build", QUALIFYING.values(), ids=QUALIFYING)
def test_mean_of_maps_has_an_exact_map(classify, noise, build):
    method, reason = best_method(classify(build(), 4), noise(1)[0])
    assert (method.name, reason) == ("exact", "")


def test_the_two_parts_make_the_backbone(noise):
    backbone = pooled_inside(layers.LayerNormalization())
    images = np.repeat(noise(2)[..., None].astype(np.float32), 3, axis=-1)
    cut = cut_backbone(backbone)
    tensor = cut.front(images)
    assert tensor.shape == (2, 8, 8, 4)
    for operation in cut.tail:
        tensor = operation(tensor)
    assert np.allclose(tensor, backbone(images), atol=1e-6)


def test_normalised_features_have_no_exact_map(classify, noise):
    method, reason = best_method(classify(pooled_inside(layers.LayerNormalization()), 4), noise(1)[0])
    assert method.name == "occlusion"
    assert "not the mean of its last feature maps: they differ by" in reason


def test_features_of_regions_have_no_exact_map_but_grad_cam(classify, noise):
    classifier = classify(random_convnet(input_shape=(32, 32, 3), weights="none", seed=0), 512)
    image = noise(1)[0]
    with pytest.raises(ConfigError, match="it has 512 features, but 32 feature maps"):
        make_method(classifier, "exact", image)
    assert make_method(classifier, "grad-cam", image).observed(image[None]).shape == (1, 4, 4, 32)


@pytest.mark.parametrize("name", ["exact", "grad-cam"])
def test_other_callables_have_no_maps(classify, noise, name):
    backbone = texture(input_shape=(64, 64, 3), weights="none", seed=0)
    with pytest.raises(ConfigError, match="not a Keras model"):
        make_method(classify(backbone, 4), name, noise(1)[0])


def test_features_of_several_layers_cannot_be_cut():
    start = images_in()
    parts = [layers.GlobalAveragePooling2D()(maps_of(start)) for _ in range(2)]
    with pytest.raises(ConfigError, match="come from several layers"):
        cut_backbone(keras.Model(start, layers.Concatenate()(parts)))


def test_a_network_that_is_used_twice_cannot_be_cut():
    start, network = images_in(), pooled_inside()
    joined = layers.Concatenate()([network(start), network(keras.ops.flip(start, axis=2))])
    with pytest.raises(ConfigError, match="come from several layers"):
        cut_backbone(keras.Model(start, joined))


def test_pixels_are_not_feature_maps():
    start = images_in()
    with pytest.raises(ConfigError, match="no feature maps"):
        cut_backbone(keras.Model(start, layers.Flatten()(start)))


@pytest.mark.long
@pytest.mark.parametrize(
    "builder", ["DenseNet121", "EfficientNetB0", "InceptionV3", "NASNetMobile", "ResNet50", "ResNet50V2", "VGG16", "Xception"]
)
def test_keras_applications_have_exact_maps(classify, noise, builder):
    network = getattr(keras.applications, builder)(include_top=False, weights=None, input_shape=(160, 160, 3), pooling="avg")
    start = keras.Input((160, 160, 3))
    backbone = keras.Model(start, layers.Activation("linear")(network(layers.Rescaling(1 / 255)(start))))
    method, reason = best_method(classify(backbone, network.output.shape[-1], size=160), noise(1, 160)[0])
    assert (method.name, reason) == ("exact", "")


@pytest.mark.long
def test_convnext_normalises_after_pooling(classify, noise):
    network = keras.applications.ConvNeXtTiny(include_top=False, weights=None, input_shape=(160, 160, 3), pooling="avg")
    method, reason = best_method(classify(network, 768, size=160), noise(1, 160)[0])
    assert method.name == "occlusion"
    assert "not the mean of its last feature maps" in reason
