"""The network that learns is the backbone with its head: the same numbers, the same variables, normalisation at rest."""

from __future__ import annotations

import numpy as np
import pytest

from cxrbench.models.training.head_weights import logits_of


@pytest.fixture
def images(pixels):
    return pixels[0].gather(np.arange(40))


def features_of(backbone, images):
    return np.asarray(backbone(np.repeat(images[..., None].astype(np.float32), 3, axis=-1), training=False))


def test_folded_convolutions_compute_as_the_protocol_says(tensorflow_ready):
    import keras

    from cxrbench.models.fine_tuning.folded import FoldedConvolution, with_folded_normalisation

    images = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(4, 3, dtype="mixed_bfloat16")(images)
    maps = keras.layers.BatchNormalization(dtype="mixed_bfloat16")(maps)
    folded = with_folded_normalisation(keras.Model(images, maps))
    (layer,) = (one for one in folded.layers if isinstance(one, FoldedConvolution))
    assert (layer.compute_dtype, layer.variable_dtype) == ("bfloat16", "float32")
    assert folded.output.dtype == "bfloat16"


def test_folded_normalisation_gives_the_same_features(backbone, images):
    from cxrbench.models.fine_tuning.folded import FoldedConvolution, with_folded_normalisation

    folded = with_folded_normalisation(backbone)
    grey = np.repeat(images[..., None].astype(np.float32), 3, axis=-1)
    assert np.asarray(folded(grey, training=False)) == pytest.approx(features_of(backbone, images), rel=1e-4, abs=1e-4)
    layers = [layer for layer in folded._flatten_layers() if isinstance(layer, FoldedConvolution)]
    assert len(layers) == 3  # the fourth normalisation follows a dropout
    assert {id(one) for one in folded.variables} == {id(one) for one in backbone.variables}


def test_logits_are_those_of_the_head_on_the_features(learning, backbone, images):
    network, _, head = learning
    found = network.logits(network.weights_with(head), images)
    assert found == pytest.approx(logits_of(head, features_of(backbone, images)), abs=1e-4)
    assert found.std() > 0


def test_layers_learn_faster_towards_the_head(learning):
    network, *_ = learning
    shares = network.shares(0.1)
    assert len(shares) == len(network.training.trainable_variables)
    named = {variable.path: share for variable, share in zip(network.training.trainable_variables, shares, strict=True)}
    assert list(dict.fromkeys(shares)) == sorted(set(shares))
    assert min(named.items(), key=lambda one: one[1])[0].startswith("conv2d")
    assert min(shares) == pytest.approx(0.1)
    assert max(shares) == 1
    assert set(network.shares(1.0)) == {1.0}


def test_a_function_cannot_learn():
    from cxrbench.errors import ConfigError
    from cxrbench.models.fine_tuning.network import network_on_images

    with pytest.raises(ConfigError, match="not a Keras model"):
        network_on_images(lambda images: images, 16)
