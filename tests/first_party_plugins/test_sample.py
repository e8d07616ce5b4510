"""The sample of real images that comes with the package."""

from __future__ import annotations

import io
import pickle
from collections import Counter

import pytest
from PIL import Image

from cxrbench.plugin import ConfigError
from cxrbench_datasets.kermany import find_patient
from cxrbench_datasets.sample import ARCHIVE, load_sample
from cxrbench_datasets.sample.draw import draw

COUNTS = {("train", 0): 104, ("train", 1): 296, ("val", 0): 56, ("val", 1): 154, ("test", 0): 104, ("test", 1): 286}


@pytest.fixture(scope="module")
def sample():
    return load_sample()


def test_parts_and_classes_have_their_numbers_of_images(sample):
    assert Counter((record.split, record.label) for record in sample.records) == COUNTS


@pytest.mark.parametrize("merged", [False, True])
def test_all_images_of_a_patient_are_in_one_part(sample, merged):
    parts = {}
    for record in sample.records:
        parts.setdefault(find_patient(record.key.rpartition("/")[2], merged=merged), set()).add(record.split)
    assert None not in parts
    assert all(len(found) == 1 for found in parts.values())


def test_every_image_is_a_jpeg_of_224_pixels(sample):
    read = pickle.loads(pickle.dumps(sample.read))
    for record in sample.records:
        image = Image.open(io.BytesIO(read(record.key)))
        assert (image.format, image.size) == ("JPEG", (224, 224))


def test_no_two_images_are_equal(sample):
    assert len({sample.read(record.key) for record in sample.records}) == 1000


def test_the_audit_finds_nothing(workspace):
    done = workspace.call_here("data", "audit", "sample")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "verdict: clean"), done.stdout


def test_the_script_draws_the_same_archive(real_images, tmp_path):
    draw(real_images, tmp_path / "images.zip")
    assert (tmp_path / "images.zip").read_bytes() == ARCHIVE.read_bytes()


def test_the_sample_takes_no_source():
    with pytest.raises(ConfigError, match="takes no source"):
        load_sample("images")
