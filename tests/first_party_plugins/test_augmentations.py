from __future__ import annotations

import numpy as np
import pytest

from cxrbench.models.backend import compile_call
from cxrbench_augmentations import transforms

FACTORIES = (transforms.paper, transforms.gentle, transforms.strong)
SHAPE = (32, 40, 1)


def noise_images(number=4, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (number, *SHAPE)).astype(np.float32)


def same_images():
    return np.repeat(noise_images(1), 4, axis=0)


def left_bright(number):
    images = np.zeros((number, *SHAPE), dtype=np.float32)
    images[:, :, :20] = 200
    images[:, :, 20:] = 20
    return images


def drawn(factory, images, seed=0, calls=1, **options):
    """Draw as the harness does: compiled, in training, one batch after the other, clipped to the range of grey levels."""
    augment = compile_call(factory(input_shape=SHAPE, seed=seed, **options), (None, *SHAPE), training=True)
    return np.concatenate([augment(images) for _ in range(calls)]).clip(0, 255)


def left_is_brighter(images):
    return images[:, :, :20].mean(axis=(1, 2, 3)) > images[:, :, 20:].mean(axis=(1, 2, 3))


@pytest.fixture(scope="module", params=FACTORIES)
def factory(request):
    return request.param


@pytest.fixture(scope="module")
def augmented(factory):
    """Return two batches of the same image four times, augmented with seed 5."""
    return drawn(factory, same_images(), 5, calls=2)


def test_shape_and_range_are_kept_and_something_happens(augmented):
    images = np.concatenate([same_images()] * 2)
    assert augmented.shape == images.shape
    assert augmented.dtype == np.float32
    assert np.isfinite(augmented).all()
    assert 0 <= augmented.min() <= augmented.max() <= 255
    assert augmented.std() > 20
    assert (np.abs(augmented - images).mean(axis=(1, 2, 3)) > 1).all()


def test_nothing_happens_outside_training(factory):
    images = noise_images()
    augmentation = factory(input_shape=SHAPE, seed=0)
    np.testing.assert_array_equal(np.asarray(augmentation(images, training=False)), images)


def test_the_seed_decides_what_is_drawn(factory, augmented):
    np.testing.assert_array_equal(drawn(factory, same_images(), 5, calls=2), augmented)
    assert not np.array_equal(drawn(factory, same_images(), 6), augmented[:4])


def test_every_image_and_every_batch_is_drawn_anew(augmented):
    assert len({image.tobytes() for image in augmented}) == 8


@pytest.mark.parametrize("upright", [transforms.gentle, transforms.strong])
def test_left_stays_left(upright):
    assert left_is_brighter(drawn(upright, left_bright(50), calls=4)).all()


def test_paper_flips_about_half_of_the_images():
    flipped = ~left_is_brighter(drawn(transforms.paper, left_bright(100), calls=2))
    assert 60 < flipped.sum() < 140
    assert left_is_brighter(drawn(transforms.paper, left_bright(50), flip=False)).all()


def test_what_comes_into_view_is_black():
    white = np.full((20, *SHAPE), 255, dtype=np.float32)
    augmented = drawn(transforms.paper, white, zoom=0.0, rotation=0.0, shift=0.5)
    edges = np.concatenate([augmented[:, 0].reshape(20, -1), augmented[:, -1].reshape(20, -1)], axis=1)
    assert (edges.min(axis=1) == 0).sum() > 15


def test_without_movement_gentle_changes_brightness_alone():
    grey = np.full((20, *SHAPE), 100, dtype=np.float32)
    augmented = drawn(transforms.gentle, grey, rotation=0.0, zoom=0.0, shift=0.0)
    np.testing.assert_allclose(augmented.std(axis=(1, 2, 3)), 0, atol=1e-3)
    levels = augmented.mean(axis=(1, 2, 3))
    assert levels.std() > 3
    assert np.abs(levels - 100).max() <= 0.08 * 255 + 1e-3


def test_strong_adds_noise_of_the_said_size():
    grey = np.full((20, *SHAPE), 128, dtype=np.float32)
    still = {"rotation": 0.0, "zoom": 0.0, "shift": 0.0, "brightness": 0.0, "contrast": 0.0}
    assert drawn(transforms.strong, grey, noise=6.0, **still).std() == pytest.approx(6, rel=0.05)


def test_none_returns_the_very_images():
    images = noise_images()
    assert transforms.unchanged(input_shape=SHAPE, seed=0)(images, training=True) is images
