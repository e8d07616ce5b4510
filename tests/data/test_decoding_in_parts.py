from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from cxrbench.data.dataset import catalogue_images, load_dataset
from cxrbench.data.decoding.decode import decode
from cxrbench.data.decoding.pixels import Decoding

FEW = 4


@pytest.fixture
def decoding():
    """Decode to 8 pixels in one thread, few images to a shard."""
    return Decoding(size=8, resize="stretch", threads=1, shard_rows=FEW)


@pytest.fixture
def contents(png_files):
    """Return 18 images, that is five shards; the second and the last of the 18 cannot be read."""
    contents = png_files(18)
    return contents | {"1.png": contents["1.png"][:-40], "17.png": b""}


@pytest.fixture
def expected(contents):
    """Return the pixels of all 18."""
    unreadable = np.zeros((8, 8), dtype=np.uint8)
    readable = {key for key in contents if key not in {"1.png", "17.png"}}
    return np.array(
        [decode(image, size=8, resize="stretch") if key in readable else unreadable for key, image in contents.items()]
    )


@pytest.fixture
def counted(images_of, contents):
    """Return the images, and the keys of those that were read."""
    images, keys = images_of(contents), []

    def read(key):
        keys.append(key)
        return contents[key]

    return replace(images, read=read), keys


def stored(catalogue):
    return (catalogue.pixels.array.folder / "rows.raw").read_bytes()


def interrupt_at_6(done, total):
    if done == 6:
        raise KeyboardInterrupt


def test_shards_come_in_order_and_each_is_on_disk_when_it_comes(images_of, contents, decoding, expected):
    catalogue = catalogue_images(images_of(contents), decoding)
    came = []
    for shard in catalogue.decode():
        came.append(shard)
        assert catalogue.pixels.array.missing() == list(range(shard + 1, 5))
        start, stop = catalogue.pixels.array.bounds(shard)
        np.testing.assert_array_equal(catalogue.pixels.array.read(start, stop), expected[start:stop])
    assert came == [0, 1, 2, 3, 4]
    assert stored(catalogue) == expected.tobytes()


def test_only_one_shard_is_decoded_ahead(counted, decoding, contents):
    images, keys = counted
    catalogue = catalogue_images(images, decoding)
    keys.clear()
    for shard in catalogue.decode():
        assert min(FEW * (shard + 1), 18) <= len(keys) <= FEW * (shard + 2)
    assert keys == list(contents)


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_decoding_that_was_given_up_goes_on_at_the_missing_shard(counted, decoding, contents, expected, shards):
    images, keys = counted
    catalogue = catalogue_images(images, decoding)
    decoded = catalogue.decode()
    assert list(islice(decoded, shards)) == list(range(shards))
    decoded.close()
    assert catalogue.pixels.array.missing() == list(range(shards, 5))
    again, heard = catalogue_images(images, decoding), []
    assert again.pixels == catalogue.pixels
    keys.clear()
    assert list(again.decode(lambda done, total: heard.append((done, total)))) == [0, 1, 2, 3, 4]
    assert keys == list(contents)[FEW * shards :]
    left = 18 - FEW * shards
    assert heard == [(done, left) for done in range(left + 1)]
    assert stored(again) == expected.tobytes()


def test_a_missing_shard_is_decoded_alone_and_comes_last(counted, decoding, contents, expected):
    images, keys = counted
    catalogue = catalogue_images(images, decoding)
    list(catalogue.decode())
    (mark,) = catalogue.pixels.array.folder.glob("00002.done")
    mark.unlink()
    keys.clear()
    assert list(catalogue.decode()) == [0, 1, 3, 4, 2]
    assert keys == list(contents)[8:12]
    assert stored(catalogue) == expected.tobytes()


def test_an_interrupted_shard_stays_missing(images_of, contents, decoding, expected):
    catalogue = catalogue_images(images_of(contents), decoding)
    with pytest.raises(KeyboardInterrupt):
        list(catalogue.decode(interrupt_at_6))
    assert catalogue.pixels.array.missing() == [1, 2, 3, 4]
    list(catalogue.decode())
    assert stored(catalogue) == expected.tobytes()


def test_unreadable_images_of_an_earlier_decoding_are_remembered(images_of, contents, decoding, load):
    images = images_of(contents)
    catalogue = catalogue_images(images, decoding)
    decoded = catalogue.decode()
    next(decoded)
    decoded.close()
    assert list(catalogue.pixels.unreadable()) == [1]
    again = catalogue_images(images, decoding)
    list(again.decode())
    assert list(again.pixels.unreadable()) == [1, 17]
    dataset = load_dataset(again)
    assert [key for key, _ in dataset.skipped] == ["1.png", "17.png"]
    assert dict(dataset.skipped) == {"1.png": "cannot be decoded: image file is truncated", "17.png": "is empty"}
    assert dataset.rows.tolist() == [0, *range(2, 17)]
    assert dataset == load(images_of(contents), decoding)


def test_shards_of_another_size_are_other_pixels(images_of, contents, decoding, load):
    before = load(images_of(contents), decoding)
    after = load(images_of(contents), replace(decoding, shard_rows=FEW + 1))
    assert after.pixels.digest != before.pixels.digest
    assert after.fingerprint == before.fingerprint
    np.testing.assert_array_equal(after.pixels.array.gather(after.rows), before.pixels.array.gather(before.rows))


def test_a_reader_that_raises_anything_costs_its_own_image(images_of, contents, decoding, load, expected):
    dataset = load(images_of(contents | {"9.png": RuntimeError("odd"), "12.png": OSError(5, "Input/output error")}), decoding)
    assert dict(dataset.skipped)["9.png"] == "RuntimeError: odd"
    assert dict(dataset.skipped)["12.png"] == "Input/output error"
    kept = [row for row in range(18) if row not in {1, 9, 12, 17}]
    assert dataset.rows.tolist() == kept
    np.testing.assert_array_equal(dataset.pixels.array.gather(dataset.rows), expected[kept])
