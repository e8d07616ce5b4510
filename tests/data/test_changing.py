"""What is not read as it was catalogued stops the run, and nothing of it is kept under the old digest."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from cxrbench.data.dataset import catalogue_images
from cxrbench.data.decoding.decode import decode
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.errors import DataError

FEW = 4
EIO = OSError(5, "Input/output error")


@pytest.fixture
def decoding():
    """Decode to 8 pixels in one thread, few images to a shard."""
    return Decoding(size=8, resize="stretch", threads=1, shard_rows=FEW)


@pytest.fixture
def files(png_files, tmp_path):
    """Write twelve images, that is three shards."""
    contents = png_files(12)
    for key, content in contents.items():
        (tmp_path / key).write_bytes(content)
    return {key: tmp_path / key for key in contents}


def stopped(catalogue):
    with pytest.raises(DataError) as caught:
        list(catalogue.decode())
    assert caught.value.exit_code == 3
    return str(caught.value)


def other_image(path):
    Image.fromarray(np.full((10, 12), 77, dtype=np.uint8)).save(path)


def gone(path):
    path.unlink()


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def emptied(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("change", [other_image, gone, pipe, emptied])
def test_a_file_changed_after_cataloguing_stops_only_this_run(files, images_of, load, decoding, change):
    images = images_of(files)
    catalogue = catalogue_images(images, decoding)
    change(files["6.png"])
    assert stopped(catalogue).startswith("6.png changed while the run was reading it")
    missing = catalogue.pixels.array.missing()
    assert (0 in missing, 1 in missing) == (False, True)
    assert 6 not in catalogue.pixels.files()
    again = load(images, decoding)
    assert again.pixels.digest != catalogue.pixels.digest
    if change is other_image:
        assert again.skipped == ()
        assert (again.pixels.array.gather(again.rows)[6] == 77).all()
    else:
        assert [key for key, _ in again.skipped] == ["6.png"]


def test_a_file_changed_back_is_decoded_under_its_own_digest(files, images_of, decoding, load):
    images, before = images_of(files), files["6.png"].read_bytes()
    catalogue = catalogue_images(images, decoding)
    other_image(files["6.png"])
    stopped(catalogue)
    files["6.png"].write_bytes(before)
    again = load(images, decoding)
    assert again.pixels == catalogue.pixels
    np.testing.assert_array_equal(again.pixels.array.gather(again.rows)[6], decode(before, size=8, resize="stretch"))


def test_a_temporary_read_error_is_not_stored(png_files, images_of, decoding, load):
    contents = png_files(12)
    catalogue = catalogue_images(images_of(contents), decoding)
    whole = contents["6.png"]
    contents["6.png"] = EIO
    assert stopped(catalogue) == (
        "6.png changed while the run was reading it (now: Input/output error): run again when no program writes to it"
    )
    contents["6.png"] = whole
    dataset = load(images_of(contents), decoding)
    assert dataset.skipped == ()
    assert dataset.pixels == catalogue.pixels
    np.testing.assert_array_equal(dataset.pixels.array.gather(dataset.rows)[6], decode(whole, size=8, resize="stretch"))


def test_a_file_readable_only_after_cataloguing_stops_the_run(png_files, images_of, decoding, load):
    contents = png_files(12)
    whole, contents["6.png"] = contents["6.png"], EIO
    catalogue = catalogue_images(images_of(contents), decoding)
    contents["6.png"] = whole
    assert stopped(catalogue).startswith("6.png changed while the run was reading it: run again")
    assert load(images_of(contents), decoding).skipped == ()


def test_another_trouble_is_another_content(png_files, images_of, decoding, load):
    contents = png_files(3)
    first = load(images_of(contents | {"1.png": EIO}), decoding)
    second = load(images_of(contents | {"1.png": OSError(40, "Too many levels of symbolic links")}), decoding)
    assert (first.skipped, second.skipped) == (
        (("1.png", "Input/output error"),),
        (("1.png", "Too many levels of symbolic links"),),
    )
    assert first.pixels.digest != second.pixels.digest
