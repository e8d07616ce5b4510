from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cxrbench.data.audit.near import thumbnails
from cxrbench.data.audit.oddities import odd_files
from cxrbench.data.decoding.pixels import Decoding

CHEST = np.pad(np.full((30, 40), 200, dtype=np.uint8), ((20, 14), (12, 12)))


@pytest.fixture
def chests():
    """Make 40 images of one kind, each with a noise of its own."""
    generator = np.random.default_rng(0)
    return {f"{row}.png": (CHEST // 2 + generator.integers(0, 60, CHEST.shape)).astype(np.uint8) for row in range(40)}


@pytest.fixture
def odd_among(images_of, load, encode):
    """Return the messages about files at a size in pixels."""

    def find(files, size=64, view=lambda row: None):
        contents = {key: image if isinstance(image, bytes) else encode(image) for key, image in files.items()}
        images = images_of(contents)
        records = [replace(record, view=view(row)) for row, record in enumerate(images.records)]
        dataset = load(replace(images, records=records), Decoding(size=size, resize="stretch", threads=1))
        return list(odd_files(dataset, thumbnails(dataset)))

    return find


def test_images_of_one_kind_are_not_odd(odd_among, chests):
    assert odd_among(chests) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda image: Image.fromarray(image.astype(np.uint16) * 16), "more than 8 bits"),
        (lambda image: Image.fromarray(255 - image), "look inverted"),
        (lambda image: Image.fromarray(np.stack([image, image // 2, image // 3], axis=-1)), "in colour"),
        (lambda image: Image.fromarray(image).resize((64, 31)), "one side has fewer than 32 pixels"),
        (lambda image: Image.fromarray(image).resize((64, 200)), "more than 3 times as long as wide"),
    ],
    ids=["16 bits", "negative", "colour", "tiny", "extreme"],
)
def test_one_odd_file_among_others_is_found_with_its_key(odd_among, chests, encode, change, words):
    (finding,) = odd_among(chests | {"17.png": encode(change(chests["17.png"]))})
    assert (finding.check, finding.severity, finding.count, finding.examples) == ("odd-file", "warning", 1, ("17.png",))
    assert words in finding.message
    assert "1 of 40 files" in finding.message


def test_grey_that_is_stored_as_colours_is_not_odd(odd_among, chests, encode):
    rgb = Image.fromarray(chests["3.png"]).convert("RGB")
    assert odd_among(chests | {"3.png": encode(rgb), "4.png": encode(rgb, "JPEG", quality=40)}) == []


def test_what_most_files_are_is_not_odd(odd_among, chests, encode):
    sixteen = {key: encode(image.astype(np.uint16) * 99) for key, image in chests.items()}
    assert odd_among(sixteen) == []
    assert odd_among(chests, size=224) == []


def test_images_without_a_common_look_are_not_inverted(odd_among):
    generator = np.random.default_rng(0)
    noise = {f"{row}.png": generator.integers(0, 256, (64, 64), dtype=np.uint8) for row in range(60)}
    assert odd_among(noise) == []


def test_images_are_compared_within_their_view(odd_among, chests):
    turned = {f"lateral{row}.png": 255 - image for row, image in enumerate(chests.values())}
    assert odd_among(chests | turned, view=lambda row: "frontal" if row < 40 else "lateral") == []
    (finding,) = odd_among(chests | dict(list(turned.items())[:10]))
    assert finding.count == 10
