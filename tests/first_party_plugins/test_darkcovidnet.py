"""DarkCovidNet is the published network, and its weights come from the seed."""

from __future__ import annotations

import numpy as np
import pytest

from cxrbench.config.settings import DEFAULT_BACKBONES
from cxrbench.plugin import Backbone, ConfigError
from cxrbench_darkcovidnet.network import darkcovidnet

PUBLISHED = 1_164_434
"""Trainable parameters for two classes, as the paper counts them."""
TOP = 2 * 256 * 9 + 2 * 2 + 2 * (2 * 13 * 13 + 1)
"""Those of its last convolution with normalisation, and of the layer on the flattened maps."""


def build(size=32, **options):
    return darkcovidnet(**{"input_shape": (size, size, 3), "weights": "none", "seed": 0, **options})


def kinds(model, kind):
    return [layer for layer in model.layers if type(layer).__name__ == kind]


def test_it_has_the_parameters_that_the_paper_counts():
    model = build(256)
    model.trainable = True
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == PUBLISHED - TOP
    assert len(kinds(model, "Conv2D")) == 16
    assert kinds(model, "GlobalAveragePooling2D")[0].input.shape == (None, 13, 13, 256)


@pytest.mark.parametrize("size", [32, 33, 224])
def test_untrained_features_are_finite_and_differ_by_image(size):
    images = np.random.default_rng(1).uniform(0, 255, (2, size, size, 3)).astype(np.float32)
    images[1] /= 2
    features = np.asarray(build(size)(images))
    assert features.shape == (2, 256)
    assert features.dtype == np.float32
    assert np.abs(features).mean() == pytest.approx(1, rel=0.9)
    assert np.abs(features[0] - features[1]).max() > 0.01


def test_the_seed_decides_the_weights():
    first, again, other = (b"".join(one.tobytes() for one in build(seed=seed).get_weights()) for seed in (5, 5, 6))
    assert first == again != other


def test_untrained_features_are_no_sensible_default(host):
    assert host.find(Backbone, "darkcovidnet").spec.weights == ""
    assert "darkcovidnet" not in DEFAULT_BACKBONES


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weights": "imagenet"}, "no pretrained weights, but weights=imagenet"),
        ({"size": 31}, "at least 32x32 pixels, not 31x31"),
    ],
)
def test_weights_and_small_images_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        build(**options)
