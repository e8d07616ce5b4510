"""The first-party shifts do what their units say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.plugin.references import Reference
from cxrbench_shifts import register_shifts

SIZE = 64
SHAPE = (SIZE, SIZE, 1)
SHIFTS = {spec.name: spec for spec in register_shifts()}
STANDARD = ("blur", "border", "compression", "local-contrast")


def shifted(name, images, strength, seed=0):
    build = Reference(text=SHIFTS[name].factory, file=None).resolve()
    return build(input_shape=images.shape[1:], strength=strength, seed=seed)(images)


def drawn(seed, count=3, size=SIZE):
    """Return smooth structures of every grey level."""
    from scipy.ndimage import gaussian_filter

    images = gaussian_filter(np.random.default_rng(seed).normal(size=(count, size, size, 1)), (0, 3, 3, 0))
    low, high = images.min(axis=(1, 2, 3), keepdims=True), images.max(axis=(1, 2, 3), keepdims=True)
    return (255 * (images - low) / (high - low)).astype(np.float32)


@given(name=st.sampled_from(sorted(SHIFTS)), seed=st.integers(0, 2**31 - 1), share=st.floats(0, 1))
def test_every_shift_keeps_shape_and_range(name, seed, share):
    images = drawn(seed)
    found = shifted(name, images, share * SHIFTS[name].strengths[2], seed)
    assert found.shape == images.shape
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 255


@given(name=st.sampled_from(sorted(SHIFTS)), seed=st.integers(0, 2**31 - 1))
def test_more_strength_changes_more_and_none_nothing(name, seed):
    images = 0.6 * drawn(seed)  # darker than a marker
    changes = [np.abs(shifted(name, images, strength, seed) - images).mean() for strength in (0.0, *SHIFTS[name].strengths)]
    assert changes[0] < 1e-2
    assert changes[1] < changes[2] < changes[3]


@pytest.mark.parametrize("name", sorted(SHIFTS))
def test_the_seed_decides_and_images_are_left_alone(name):
    images = drawn(1, count=8)
    before = images.copy()
    first, again, other = (shifted(name, images, SHIFTS[name].strengths[2], seed) for seed in (1, 1, 2))
    assert np.array_equal(images, before)
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) == (name not in {"exposure", "gamma", "noise", "rotation", "position"})


def test_half_of_the_kinds_is_for_development():
    roles = [spec.role for spec in SHIFTS.values()]
    assert roles.count("development") == roles.count("test") == 7
    assert all(SHIFTS[name].role == "test" and not SHIFTS[name].covered_by for name in STANDARD)


def test_a_stop_moves_mid_grey_by_0_15_of_the_range():
    middle = np.full((16, *SHAPE), 127.5, dtype=np.float32)
    moved = shifted("exposure", middle, 1.0)[:, 0, 0, 0] - 127.5
    assert sorted({*np.round(moved, 1)}) == pytest.approx([-38.4, 38.4], abs=0.05)  # 255 * log10(2) / 2 decades
    assert shifted("exposure", np.zeros((4, *SHAPE), dtype=np.float32), 1.0).max() == 0


def test_gamma_and_window_are_the_curves_that_they_name():
    greys = np.linspace(0, 255, SIZE * SIZE, dtype=np.float32).reshape(1, *SHAPE)
    curves = [255 * (greys[0] / 255) ** exponent for exponent in (1.3, 1 / 1.3)]
    shown = shifted("gamma", np.repeat(greys, 20, axis=0), 0.3)
    assert {int(np.argmin([np.abs(one - curve).max() for curve in curves])) for one in shown} == {0, 1}
    assert max(min(float(np.abs(one - curve).max()) for curve in curves) for one in shown) < 1e-3
    assert shifted("window", greys, 20.0) == pytest.approx(np.clip((greys - 127.5) / 0.8 + 127.5, 0, 255), abs=1e-3)


def test_blur_spreads_a_point_by_its_sigma():
    point = np.zeros((1, 224, 224, 1), dtype=np.float32)
    point[0, 112, 112, 0] = 255
    spread = shifted("blur", point, 2.0)[0, :, :, 0].astype(np.float64)
    rows = np.arange(224) - 112
    assert spread.sum() == pytest.approx(255, rel=1e-3)
    assert np.sqrt((spread.sum(axis=1) * rows**2).sum() / 255) == pytest.approx(2.0, rel=0.01)


def test_noise_has_the_stated_deviation_at_mid_grey():
    middle = np.full((4, 128, 128, 1), 127.5, dtype=np.float32)
    assert shifted("noise", middle, 2.0).std() == pytest.approx(0.02 * 255, rel=0.03)
    bright = shifted("noise", middle * 1.2, 2.0).std()
    assert bright == pytest.approx(0.02 * 255 * 10**0.1, rel=0.03)


def test_a_border_is_black_and_the_inside_is_untouched():
    images = drawn(3, size=100) + 1e-3
    found = shifted("border", np.minimum(images, 255), 7.0)
    assert found[:, :7].max() == found[:, :, :7].max() == found[:, 93:].max() == found[:, :, 93:].max() == 0
    assert np.array_equal(found[:, 7:93, 7:93], np.minimum(images, 255)[:, 7:93, 7:93])


def test_rotation_turns_by_its_degrees():
    line = np.zeros((1, 101, 101, 1), dtype=np.float32)
    line[0, 50] = 255
    found = shifted("rotation", line, 5.0)[0, :, :, 0]
    heights = [found[:, column].argmax() for column in (10, 90)]
    assert abs(heights[1] - heights[0]) == pytest.approx(80 * np.tan(np.deg2rad(5)), abs=1)
    assert found[50, 50] == pytest.approx(255, abs=1)
    assert shifted("rotation", np.full((4, *SHAPE), 200, dtype=np.float32), 5.0).min() == pytest.approx(200, abs=1e-3)


def test_a_crop_enlarges_what_is_left():
    images = np.zeros((1, 100, 100, 1), dtype=np.float32)
    images[0, 5:95, 5:95] = 200
    assert shifted("crop", images, 6.0).min() == pytest.approx(200, abs=1e-3)
    assert shifted("crop", images, 2.0)[0, 0, 0, 0] == 0


def test_a_position_moves_the_centre_of_mass():
    images = np.zeros((6, 100, 100, 1), dtype=np.float32)
    images[:, 45:55, 45:55] = 255
    found, rows = shifted("position", images, 6.0)[..., 0], np.arange(100)
    centres = [
        (float((one.sum(axis=1) * rows).sum() / one.sum()), float((one.sum(axis=0) * rows).sum() / one.sum())) for one in found
    ]
    moves = [np.hypot(row - 49.5, column - 49.5) for row, column in centres]
    assert moves == pytest.approx([6.0] * 6, abs=0.05)


def test_a_marker_is_a_letter_in_the_emptier_corner():
    images = np.zeros((2, 224, 224, 1), dtype=np.float32)
    images[0, :40, 190:] = images[1, :40, :34] = 255 * np.random.default_rng(0).random((40, 34, 1))
    found = shifted("marker", images, 8.0)[..., 0] - images[..., 0]
    for image, is_right in zip(found, (False, True), strict=True):
        rows, columns = np.nonzero(image > 100)
        assert rows.max() - rows.min() + 1 == pytest.approx(round(224 * 0.08), abs=1)
        assert rows.max() < 30
        assert columns.min() > 184 if is_right else columns.max() < 40
    assert found[0, :30, :40].sum() != found[1, :30, -40:].sum()  # R and L


def test_a_constant_image_stays_constant_under_local_contrast():
    images = np.full((1, *SHAPE), 90, dtype=np.float32)
    assert np.array_equal(shifted("local-contrast", images, 75.0), images)


def test_local_contrast_is_that_of_scikit_image():
    from skimage.exposure import equalize_adapthist

    images = drawn(2, count=4, size=224)
    found = shifted("local-contrast", images, 100.0)[..., 0]
    expected = 255 * np.stack([equalize_adapthist(image, clip_limit=0.01) for image in images[..., 0] / 255])
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99
    assert np.abs(found - expected).mean() < 8  # which lets some curves overshoot their tile; before it differs by far more
    assert np.abs(images[..., 0] - expected).mean() > 16


@pytest.mark.parametrize("shape", [(64, 64), (50, 61), (9, 7), (7, 200)])
def test_clipping_limits_how_much_contrast_grows(shape):
    from cxrbench_shifts.clahe import CLIP_LIMIT, LEVELS, equalised

    image = np.random.default_rng(0).random(shape).astype(np.float32)
    image[0, 0], image[-1, -1] = 0, 1
    found = equalised(image)
    assert (found.min(), found.max(), found.shape) == (0, 1, shape)
    step = np.where(np.arange(64)[:, None] < 32, 100, 140).repeat(64, axis=1).astype(np.float32) / 255
    step[0, 0], step[-1, -1] = 0, 1
    edge = equalised(step)[33:, 32].mean() - equalised(step)[:31, 32].mean()
    steepest = max(CLIP_LIMIT, 1 / 64) * LEVELS  # of the cumulative histogram: counts of one level are at most the limit
    assert 0 < edge <= (40 / 255) * steepest
