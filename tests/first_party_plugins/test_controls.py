from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrbench.plugin import ConfigError
from cxrbench_backbones import controls

ALL = {controls.border: 348, controls.intensity: 41, controls.thumbnail: 64}
SIZES = st.integers(32, 70)
SEEDS = st.integers(0, 2**32 - 1)


def build(factory, height=32, width=32, weights="none"):
    return factory(input_shape=(height, width, 3), weights=weights, seed=0)


def noise_images(seed, number=2, height=32, width=32):
    grey = np.random.default_rng(seed).integers(0, 256, (number, height, width, 1))
    return np.repeat(grey, 3, axis=-1).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(SEEDS, SIZES, SIZES, st.sampled_from(list(ALL)))
def test_features_are_finite_and_about_unit_range_at_any_size(seed, height, width, factory):
    features = build(factory, height, width)(noise_images(seed, 2, height, width))
    assert features.shape == (2, ALL[factory])
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert np.abs(features).max() <= 1.001


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from(list(ALL)))
def test_a_row_does_not_depend_on_its_neighbours(seed, factory):
    images = noise_images(seed, number=4)
    together = build(factory)(images)
    alone = np.concatenate([build(factory)(images[row : row + 1]) for row in range(4)])
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("factory", ALL)
def test_brightness_is_seen_over_the_whole_range(factory):
    levels = np.array([0, 60, 180, 255], dtype=np.float32)
    features = build(factory)(np.broadcast_to(levels[:, None, None, None], (4, 32, 32, 3)))
    np.testing.assert_allclose(features[:, 0], levels / 127.5 - 1, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(SEEDS, SIZES, SIZES)
def test_intensity_does_not_see_where_a_pixel_is(seed, height, width):
    images = noise_images(seed, 1, height, width)
    shuffled = np.random.default_rng(seed + 1).permutation(images.reshape(-1, 3)).reshape(images.shape)
    control = build(controls.intensity, height, width)
    np.testing.assert_array_equal(control(images), control(shuffled))


def test_intensity_sees_what_the_pixels_are():
    control = build(controls.intensity)
    assert not np.array_equal(control(noise_images(0)), control(noise_images(0) * np.float32(0.9)))


def test_intensity_sees_whole_grey_levels_as_it_sees_others():
    control, images = build(controls.intensity), noise_images(5)
    np.testing.assert_allclose(control(images), control(images + np.float32(1e-3)), atol=2e-5)


def test_intensity_counts_every_pixel_once():
    frequencies = np.square(build(controls.intensity)(noise_images(3))[:, 9:])
    np.testing.assert_allclose(frequencies.sum(axis=1), 1, rtol=1e-5)


@settings(max_examples=25, deadline=None)
@given(SEEDS, SIZES, SIZES)
def test_border_does_not_see_the_interior(seed, height, width):
    images, other = noise_images(seed, 2, height, width), noise_images(seed + 1, 2, height, width)
    rows, columns = (int(np.ceil(side * 3 / 32)) for side in (height, width))
    changed = images.copy()
    changed[:, rows:-rows, columns:-columns] = other[:, rows:-rows, columns:-columns]
    control = build(controls.border, height, width)
    np.testing.assert_array_equal(control(images), control(changed))


def test_border_sees_the_frame():
    control = build(controls.border, 64, 64)
    for row, column in [(0, 30), (63, 30), (30, 5), (30, 58)]:
        changed = noise_images(0, 1, 64, 64)
        changed[0, row, column] = 255 - changed[0, row, column]
        assert not np.array_equal(control(noise_images(0, 1, 64, 64)), control(changed))


def test_thumbnail_is_the_mean_of_blocks():
    images = noise_images(5, 2, 64, 64)
    blocks = images[..., 0].reshape(2, 8, 8, 8, 8).mean(axis=(2, 4)).reshape(2, 64)
    np.testing.assert_allclose(build(controls.thumbnail, 64, 64)(images), blocks / 127.5 - 1, atol=1e-5)


@pytest.mark.parametrize("factory", ALL)
def test_what_cannot_be_meant_is_refused(factory):
    with pytest.raises(ConfigError, match="no pretrained weights"):
        build(factory, weights="imagenet")
    with pytest.raises(ConfigError, match=r"32x32 pixels, not 31x40"):
        build(factory, 31, 40)
