from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrbench.plugin import ConfigError
from cxrbench_backbones.images import shrink
from cxrbench_backbones.texture import texture


def build(size=64, **options):
    return texture(**{"input_shape": (size, size, 3), "weights": "none", "seed": 0, **options})


def noise_images(seed, number=3, height=64, width=64):
    grey = np.random.default_rng(seed).integers(0, 256, (number, height, width, 1))
    return np.repeat(grey, 3, axis=-1).astype(np.float32)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (56, 80), (224, 224), (301, 150)])
def test_features_are_finite_and_standardised_at_any_size(height, width):
    features = texture(input_shape=(height, width, 3), weights="none", seed=0)(noise_images(0, 2, height, width))
    assert features.shape == (2, 1002)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    np.testing.assert_allclose(features.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(features.std(axis=1), 1, atol=1e-5)


def test_options_set_the_number_of_features():
    assert build(orientations=4)(noise_images(0)).shape == (3, 64 * 4 + 490)


def test_radius_changes_the_patterns_alone():
    near, far = build()(noise_images(0)), build(radius=2)(noise_images(0))
    np.testing.assert_array_equal(near[:, :512], far[:, :512])
    assert not np.array_equal(near[:, 512:], far[:, 512:])


def test_a_row_does_not_depend_on_its_neighbours():
    images = noise_images(1, number=5)
    together = build()(images)
    alone = np.concatenate([build()(images[row : row + 1]) for row in range(5)])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_the_seed_changes_nothing_and_the_images_stay():
    images = noise_images(2)
    before = images.copy()
    np.testing.assert_array_equal(build(seed=0)(images), build(seed=1)(images))
    np.testing.assert_array_equal(images, before)


def test_a_blank_image_has_finite_features():
    for level in (0, 128, 255):
        assert np.isfinite(build()(np.full((1, 64, 64, 3), level, dtype=np.float32))).all()


def test_stripes_point_their_own_way():
    across = np.zeros((1, 80, 80, 3), dtype=np.float32)
    across[:, (np.arange(80) // 8) % 2 == 0] = 255
    along = across.swapaxes(1, 2)
    horizontal, vertical = (build(80)(image)[0, :512].reshape(-1, 8).mean(axis=0) for image in (across, along))
    assert horizontal.argmax() != vertical.argmax()
    assert horizontal.max() > 2
    assert vertical.max() > 2


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_local_patterns_ignore_a_change_of_brightness(seed, shift):
    images = np.rint(noise_images(seed, number=1, height=56, width=56) * np.float32(0.5))
    np.testing.assert_array_equal(build(56)(images)[:, 512:], build(56)(images + np.float32(shift))[:, 512:])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40))
def test_shrinking_keeps_a_flat_image_flat_and_the_mean_of_any(height, width, size):
    flat = np.full((1, height, width), 77, dtype=np.float32)
    np.testing.assert_allclose(shrink(flat, size), 77, rtol=1e-5)
    images = np.random.default_rng(size).uniform(0, 255, (2, height, width)).astype(np.float32)
    np.testing.assert_allclose(shrink(images, size).mean(axis=(1, 2)), images.mean(axis=(1, 2)), rtol=1e-4)


def test_shrinking_by_a_whole_factor_averages_blocks():
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 96)).astype(np.float32)
    np.testing.assert_allclose(shrink(images, 32), images.reshape(2, 32, 2, 32, 3).mean(axis=(2, 4)), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weights": "imagenet"}, "texture has no pretrained weights"),
        ({"size": 31}, r"32x32 pixels, not 31x31.*--image-size 32"),
        ({"orientations": 0}, "orientations=0"),
        ({"radius": 8}, "radius=8"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        build(**options)
