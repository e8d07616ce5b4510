from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cxrbench.data.audit.near import thumbnails
from cxrbench.data.blank import SIDE, blank_images
from cxrbench.data.decoding.pixels import Decoding
from cxrbench_datasets.phantom import load as load_phantom


def flat(grey=0, size=(200, 240)):
    return Image.new("L", size, grey)


def noisy(image, strength):
    noise = np.random.default_rng(1).normal(0, strength, (image.height, image.width))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def with_marker(image):
    ImageDraw.Draw(image).text((170, 10), "L", fill=255, font_size=40)
    return image


def with_box(image, box, grey):
    image.paste(grey, box)
    return image


BLANK = {
    "black": flat(),
    "white": flat(255),
    "grey": flat(93),
    "noise floor": noisy(flat(12), 5),
    "black with a marker": with_marker(flat()),
    "noise with a marker": with_marker(noisy(flat(20), 4)),
    "colour card": Image.new("RGB", (200, 240), (180, 40, 90)),
    "half black, half white": with_box(flat(), (0, 0, 100, 240), 255),
    "letterbox": with_box(flat(128), (0, 0, 240, 30), 0),
    "frame": with_box(flat(), (25, 30, 175, 210), 200),
    "flat field": Image.fromarray(np.add.outer(np.linspace(60, 140, 240), np.linspace(0, 60, 200)).astype(np.uint8)),
}


@pytest.fixture(scope="module")
def phantoms():
    phantom = load_phantom(images=60, size=224)
    return [np.asarray(phantom.read(record.key)) for record in phantom.records[:10]]


@pytest.fixture
def blank_of(images_of, load):
    """Return which of some Pillow images are blank once decoded."""

    def blank(images, resize="stretch", size=224):
        contents = {}
        for key, image in images.items():
            buffer = io.BytesIO()
            image.save(buffer, "PNG")
            contents[key] = buffer.getvalue()
        dataset = load(images_of(contents), Decoding(size=size, resize=resize, threads=1))
        return dict(zip(images, blank_images(thumbnails(dataset)).tolist(), strict=True))

    return blank


@pytest.mark.parametrize("resize", ["stretch", "pad"])
@pytest.mark.parametrize("size", [64, 224])
def test_images_that_show_nothing_are_blank(blank_of, resize, size):
    assert {key for key, blank in blank_of(BLANK, resize, size).items() if not blank} == set()


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: 255 - image,
        lambda image: (image * 0.2).astype(np.uint8),
        lambda image: (image * 0.2 + 200).astype(np.uint8),
        lambda image: np.where(image > 128, 255, image).astype(np.uint8),
        lambda image: np.pad(image, 60),
    ],
    ids=["as it is", "inverted", "dark", "bright", "overexposed", "in a frame"],
)
def test_chests_are_not_blank(blank_of, phantoms, change):
    images = {str(row): Image.fromarray(change(image)) for row, image in enumerate(phantoms)}
    assert not any(blank_of(images).values())


def test_no_images_are_not_blank():
    assert blank_images(np.zeros((0, SIDE, SIDE), dtype=np.uint8)).tolist() == []


def test_blank_files_are_not_one_patient(images_of, load, encode, phantoms):
    black, chest, other = np.zeros((64, 64), dtype=np.uint8), phantoms[0], phantoms[1]
    images = [black, chest, black, other, chest, black, np.full_like(black, 200), np.full_like(black, 200)]
    dataset = load(
        images_of({f"{row}.png": encode(image) for row, image in enumerate(images)}),
        Decoding(size=64, resize="stretch", threads=1),
    )
    assert dataset.blank_copies == (0, 2, 5, 6, 7)
    assert len(set(dataset.groups.tolist())) == 7
    assert dataset.groups[1] == dataset.groups[4]


def test_blank_images_of_one_patient_stay_together(images_of, load, encode):
    contents = {f"{row}.png": encode(np.zeros((9, 9), dtype=np.uint8)) for row in range(6)}
    patients = "aabbca"
    dataset = load(images_of(contents, patient=lambda row: patients[row]), Decoding(size=16, resize="stretch", threads=1))
    assert dataset.groups.tolist() == [0, 0, 1, 1, 2, 0]
