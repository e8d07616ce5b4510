"""The two parts of a backbone give its features, wherever it is cut, and share its variables."""

from __future__ import annotations

import numpy as np
import pytest

from cxrbench.errors import ConfigError


@pytest.fixture
def layers(tensorflow_ready):
    import keras

    return keras.layers


def model(images, maps):
    import keras

    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(maps))


def images_of(size):
    return np.random.default_rng(0).uniform(0, 255, (3, size, size, 3)).astype(np.float32)


def names(backbone, size=16):
    from cxrbench.models.fine_tuning.cut import places_to_cut, with_nested_layers

    backbone.trainable = True
    return [place.tensor._keras_history.operation.name for place in places_to_cut(with_nested_layers(backbone, size))]


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_both_parts_give_the_features(backbone_to_cut, share):
    from cxrbench.models.fine_tuning.cut import cut

    backbone, images = backbone_to_cut, images_of(16)
    parts = cut(backbone, 16, share)
    found = np.asarray(parts.upper(parts.lower(images, training=False), training=False))
    assert found == pytest.approx(np.asarray(backbone(images, training=False)), rel=1e-5, abs=1e-5)
    assert {id(one) for part in (parts.lower, parts.upper) for one in part.variables} == {id(one) for one in backbone.variables}
    assert parts.lower.trainable_variables
    assert parts.upper.trainable_variables


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_both_parts_of_mobilenet_give_its_features(tensorflow_ready, share):
    from cxrbench.models.fine_tuning.cut import TOLERANCE, cut
    from cxrbench_backbones.applications import mobilenet

    backbone = mobilenet(input_shape=(64, 64, 3), weights="none", seed=1, network="mobilenet", alpha=0.25)
    parts, images = cut(backbone, 64, share), images_of(64)
    found = np.asarray(parts.upper(parts.lower(images, training=False), training=False))
    assert found == pytest.approx(np.asarray(backbone(images, training=False)), rel=1e-4, abs=1e-4)
    assert abs(parts.share - share) <= TOLERANCE
    assert parts.lower.layers[-1].name.endswith("relu")


def test_layers_of_nested_networks_are_places(backbone_to_cut):
    found = names(backbone_to_cut)
    assert len(found) == 2  # after the first and the second convolution; the third is the last
    assert all("re_lu" in name for name in found)


def test_a_residual_block_is_not_divided(layers):
    import keras

    images = keras.Input((16, 16, 3))
    before = layers.Conv2D(4, 3, padding="same", name="before")(images)
    inside = layers.Conv2D(4, 3, padding="same", name="inside")(before)
    joined = layers.Add(name="joined")([before, inside])
    assert names(model(images, layers.Conv2D(4, 3)(joined))) == ["before", "joined"]


def test_a_layer_that_is_called_twice_is_not_divided(layers):
    import keras

    twice, images = layers.Conv2D(3, 3, padding="same", name="twice"), keras.Input((16, 16, 3))
    maps = twice(layers.Conv2D(3, 3, padding="same", name="before")(images))
    assert names(model(images, layers.Conv2D(4, 3)(twice(maps)))) == ["before", "twice"]


def test_the_smallest_maps_near_the_share_are_cut(layers):
    import keras

    from cxrbench.models.fine_tuning.cut import cut

    images = keras.Input((64, 64, 3))
    maps = layers.Conv2D(16, 3, padding="same")(images)
    maps = layers.Conv2D(32, 3, padding="same")(maps)
    maps = layers.Activation("relu")(layers.DepthwiseConv2D(3, strides=4, padding="same")(maps))
    backbone = model(images, layers.Conv2D(512, 3, padding="same")(layers.ZeroPadding2D()(maps)))
    assert cut(backbone, 64, 0.45).lower.output.shape == (None, 16, 16, 32)


@pytest.mark.parametrize("convolutions", [0, 1])
def test_a_backbone_without_a_place_is_refused(layers, convolutions):
    import keras

    from cxrbench.models.fine_tuning.cut import cut

    images = keras.Input((16, 16, 3))
    maps = images
    for _ in range(convolutions):
        maps = layers.BatchNormalization()(layers.Conv2D(4, 3)(maps))
    with pytest.raises(ConfigError, match="cannot be cut"):
        cut(model(images, maps), 16, 0.5)


def test_a_share_without_a_place_nearby_is_refused(backbone_to_cut):
    from cxrbench.models.fine_tuning.cut import cut

    with pytest.raises(ConfigError, match=r"cannot be cut at 30% .* nearest place .* is at 64%"):
        cut(backbone_to_cut, 16, 0.3)


def test_a_backbone_is_cut_after_the_layer_that_is_named(backbone_to_cut):
    from cxrbench.models.fine_tuning.cut import cut, places_to_cut, with_nested_layers

    (first, second) = places_to_cut(with_nested_layers(backbone_to_cut, 16))
    assert cut(backbone_to_cut, 16, first.layer).share == first.share < second.share
    with pytest.raises(ConfigError, match=f"no layer 'conv9' to cut after. Layers to cut after: {first.layer}, {second.layer}"):
        cut(backbone_to_cut, 16, "conv9")


def test_a_function_cannot_be_cut():
    from cxrbench.models.fine_tuning.cut import cut

    with pytest.raises(ConfigError, match="not a Keras model"):
        cut(lambda images: images, 16, 0.5)
