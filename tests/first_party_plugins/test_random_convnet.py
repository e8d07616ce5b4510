from __future__ import annotations

import hashlib

import numpy as np
import pytest

from cxrbench.plugin import ConfigError
from cxrbench_backbones.random_convnet import random_convnet


def build(height=32, width=32, **options):
    return random_convnet(**{"input_shape": (height, width, 3), "weights": "none", "seed": 0, **options})


def noise_images(seed, number=3, height=32, width=32):
    grey = np.random.default_rng(seed).integers(0, 256, (number, height, width, 1))
    return np.repeat(grey, 3, axis=-1).astype(np.float32)


def digest(model):
    return hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 47), (96, 128), (224, 224), (301, 150)])
def test_features_are_finite_and_standardised_at_any_size(height, width):
    features = np.asarray(build(height, width)(noise_images(0, 2, height, width)))
    assert features.shape == (2, 512)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    np.testing.assert_allclose(features.mean(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(features.std(axis=1), 1, atol=1e-2)


def test_filters_set_the_number_of_features():
    assert build(filters=8).output_shape == (None, 128)


def test_a_row_does_not_depend_on_its_neighbours():
    images = noise_images(1, number=5)
    model = build()
    alone = np.concatenate([np.asarray(model(images[row : row + 1])) for row in range(5)])
    np.testing.assert_allclose(np.asarray(model(images)), alone, atol=1e-4)


def test_the_seed_decides_the_weights():
    assert digest(build(seed=5)) == digest(build(seed=5))
    assert digest(build(seed=5)) != digest(build(seed=6))


def test_it_works_on_pixels_in_0_to_255():
    blank = np.asarray(build()(np.full((1, 32, 32, 3), 127.5, dtype=np.float32)))
    np.testing.assert_allclose(blank, 0, atol=1e-6)
    images = noise_images(2)
    model = build()
    assert np.abs(np.asarray(model(images)) - np.asarray(model(images * np.float32(0.5)))).max() > 1e-3


def test_what_is_where_matters():
    corner = np.zeros((1, 64, 64, 3), dtype=np.float32)
    corner[:, :16, :16] = noise_images(4, 1, 16, 16)
    model = build(64, 64)
    assert np.abs(np.asarray(model(corner)) - np.asarray(model(corner[:, ::-1]))).max() > 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weights": "imagenet"}, "random-convnet has no pretrained weights"),
        ({"width": 31}, r"32x32 pixels, not 32x31"),
        ({"filters": 0}, "filters=0"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        build(**options)
