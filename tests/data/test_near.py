from __future__ import annotations

import numpy as np
import pytest

from cxrbench.data.audit import near
from cxrbench.data.audit.near import SIDE, confirmed, hashes, near_pairs, standardised, thumbnails
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.data.thumbnails import thumbnail
from cxrbench_datasets.phantom import load as load_phantom


@pytest.fixture
def images():
    """Make 40 smooth images, no two of them alike."""
    generator = np.random.default_rng(0)
    waves = generator.normal(0, 1, (40, 6, 6)).repeat(6, axis=1).repeat(6, axis=2)[:, :SIDE, :SIDE]
    return ((waves - waves.min()) / np.ptp(waves) * 255).astype(np.uint8)


def test_different_or_no_images_are_not_pairs(images):
    for pairs in (near_pairs(images), near_pairs(images[:0]), near_pairs(images, images[:0])):
        assert pairs.shape == (0, 2)


def test_noise_brightness_and_contrast_give_near_duplicates(images):
    noise = np.random.default_rng(1).normal(0, 2, images[3].shape)
    changed = (images[3] * 0.6 + 40 + noise).clip(0, 255).astype(np.uint8)
    assert near_pairs(np.concatenate([images, changed[None], 255 - changed[None]])).tolist() == [[3, 40], [3, 41], [40, 41]]


def test_blank_images_are_not_pairs(images):
    blank = np.full((3, SIDE, SIDE), [[[0]], [[9]], [[255]]], dtype=np.uint8)
    assert near_pairs(np.concatenate([images, blank])).shape == (0, 2)
    assert near_pairs(np.zeros((5000, SIDE, SIDE), dtype=np.uint8)).shape == (0, 2)
    assert not standardised(blank).any()


def test_of_two_sets_the_second_row_is_the_others(images):
    assert near_pairs(images[:7], images[5:20]).tolist() == [[5, 0], [6, 1]]


def test_no_pair_is_lost_between_blocks(images, monkeypatch):
    twice = np.concatenate([images, images[::-1]])
    whole = near_pairs(twice)
    assert len(whole) == 40
    monkeypatch.setattr(near, "COMPARED_ROWS", 7)
    assert np.array_equal(near_pairs(twice), whole)


def test_thumbnails_leave_out_padding(load, images_of, images):
    wide = {str(row): image[4:20] for row, image in enumerate(images)}
    padded, stretched = (
        thumbnails(load(images_of(wide), Decoding(size=64, resize=resize, threads=1))) for resize in ("pad", "stretch")
    )
    assert np.abs(padded.astype(int) - stretched).max() <= 8
    assert near_pairs(padded).shape == (0, 2)


def test_a_hash_depends_on_neither_brightness_nor_contrast(images):
    changed = (images // 2 + 20).astype(np.uint8)
    assert (hashes(images) == hashes(changed)).mean() > 0.95


def test_images_that_look_alike_by_chance_are_no_pair():
    phantom = load_phantom(images=28_000, size=64)
    one, other = (np.asarray(phantom.read(f"patient-{number}/film-2")) for number in (8121, 13869))
    changed = (one * 0.6 + 40 + np.random.default_rng(0).normal(0, 4, one.shape)).clip(0, 255).astype(np.uint8)
    shifted = np.pad(255 - one, 1, mode="edge")[2:, 1:-1]
    fine = np.stack([one, other, changed, shifted])
    pairs = near_pairs(np.stack([thumbnail(image, SIDE) for image in fine]))
    assert [0, 1] in pairs.tolist()
    assert confirmed(pairs, fine, fine).tolist() == [[0, 2], [0, 3], [2, 3]]
    assert confirmed(pairs[:0], fine, fine).shape == (0, 2)
