from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict, field, fields, make_dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from cxrbench.data.dataset import catalogue_images
from cxrbench.data.decoding.decode import decode
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.errors import DataError
from cxrbench.plugin import ClassNames, Record
from cxrbench.storage.sharded_array import SHARD_ROWS

TWO_AT_ONCE = """
import sys
from pathlib import Path
import numpy as np
from cxrbench.data.dataset import catalogue_images, load_dataset
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.plugin import Images, Record

folder = Path(sys.argv[1])
keys = sorted(path.name for path in folder.iterdir())
records = [Record(key=key, label=row % 2, patient=key) for row, key in enumerate(keys)]
images = Images(name="shared", records=records, read=lambda key: folder / key)
print("ready", flush=True)
sys.stdin.readline()
catalogue = catalogue_images(images, Decoding(size=32, resize="pad", threads=1, shard_rows=7))
shards = list(catalogue.decode())
dataset = load_dataset(catalogue)
print(dataset.fingerprint, dataset.pixels.digest, sorted(shards), int(dataset.pixels.array.read(0, len(keys)).sum()))
"""


def pixels_of(dataset):
    return dataset.pixels.array.gather(dataset.rows)


def never(done, total):
    raise AssertionError(f"decoded again: {done} of {total}")


def test_pixels_labels_and_class_names_are_those_of_the_source(images_of, png_files, decoding, load):
    contents, names = png_files(5), ClassNames(negative="clear", positive="effusion")
    dataset = load(replace(images_of(contents, label=lambda row: row // 3), class_names=names), decoding)
    assert dataset.class_names == names
    assert dataset.labels.tolist() == [0, 0, 0, 1, 1]
    assert dataset.patients.tolist() == ["p0", "p1", "p2", "p3", "p4"]
    assert dataset.warnings == ("a warning of the plugin",)
    assert (dataset.pixels.rows, dataset.pixels.size) == (5, 8)
    expected = [decode(content, size=8, resize="stretch") for content in contents.values()]
    np.testing.assert_array_equal(pixels_of(dataset), expected)
    np.testing.assert_array_equal(dataset.pixels.array.read(2, 4), expected[2:4])
    assert dataset.rows.tolist() == [0, 1, 2, 3, 4]


def test_unreadable_files_are_skipped_and_keep_a_black_row(images_of, png_files, encode, tmp_path, load):
    images = list(png_files(3).values())
    jpeg = encode(np.random.default_rng(1).integers(0, 256, (90, 90), dtype=np.uint8), "JPEG")
    contents = {
        "notes.txt": b"not an image",
        "a": images[0],
        "gone.png": tmp_path / "gone.png",
        "half.jpeg": jpeg[: len(jpeg) // 2],
        "b": images[1],
        "closed.png": PermissionError(13, "Permission denied"),
        "c": images[2],
        "empty.png": b"",
    }
    decoding = Decoding(size=8, resize="stretch", threads=3)
    dataset = load(images_of(contents, label=lambda row: int(row == 4)), decoding)
    assert [record.key for record in dataset.records] == ["a", "b", "c"]
    assert dataset.labels.tolist() == [0, 1, 0]
    assert dataset.rows.tolist() == [1, 4, 6]
    np.testing.assert_array_equal(pixels_of(dataset), [decode(image, size=8, resize="stretch") for image in images])
    assert list(dataset.pixels.unreadable()) == [0, 2, 3, 5, 7]
    stored = dataset.pixels.array.read(0, dataset.pixels.rows)
    assert stored.shape == (8, 8, 8)
    assert not stored[[0, 2, 3, 5, 7]].any()
    reasons = dict(dataset.skipped)
    assert list(reasons) == ["notes.txt", "gone.png", "half.jpeg", "closed.png", "empty.png"]
    assert "is not an image" in reasons["notes.txt"]
    assert reasons["gone.png"] == "does not exist"
    assert "truncated" in reasons["half.jpeg"]
    assert reasons["closed.png"] == "Permission denied"
    assert reasons["empty.png"] == "is empty"


def test_a_second_load_decodes_nothing_and_gives_the_same(images_of, png_files, encode, decoding, load):
    contents = png_files(3)
    contents |= {"notes.txt": b"not an image", "copy.png": contents["1.png"], "16.png": encode(np.full((5, 7), 9, np.uint16))}
    first, second = load(images_of(contents), decoding), load(images_of(contents), decoding, never)
    assert second == first
    np.testing.assert_array_equal(pixels_of(second), pixels_of(first))
    assert [key for key, _ in second.skipped] == ["notes.txt"]
    assert first.files == second.files
    assert [(file.bits, file.width, file.height) for file in second.files] == [*[(8, 12, 10)] * 4, (16, 7, 5)]
    assert second.digests[3] == second.digests[1] != second.digests[0]
    for groups in (second.image_groups, second.groups):
        assert groups[3] == groups[1]
        assert len(set(groups)) == 4


def test_a_file_that_has_been_repaired_is_read(images_of, png_files, decoding, tmp_path, load):
    path = tmp_path / "late.png"
    contents = png_files(2) | {"late.png": path}
    before = load(images_of(contents), decoding)
    path.write_bytes(contents["0.png"])
    after = load(images_of(contents), decoding)
    assert (len(before.records), len(after.records)) == (2, 3)
    assert after.skipped == ()
    assert after.fingerprint != before.fingerprint
    np.testing.assert_array_equal(pixels_of(after)[2], pixels_of(after)[0])


def test_progress_counts_up_to_all_images(images_of, png_files, decoding, load):
    heard = []
    load(images_of(png_files(3) | {"x": b""}), decoding, lambda done, total: heard.append((done, total)))
    assert heard == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_cataloguing_reads_every_image_and_decodes_none(images_of, png_files, decoding, cache):
    catalogue = catalogue_images(images_of(png_files(3) | {"x": b""}), decoding)
    assert (catalogue.pixels.rows, catalogue.pixels.size) == (4, 8)
    assert not cache.exists()


def test_one_byte_or_pixel_changes_fingerprint_and_pixel_key(images_of, png_files, decoding, load):
    files, image = png_files(3), np.zeros((8, 8), dtype=np.uint8)
    other = image.copy()
    other[3, 4] = 1
    for contents, changed in ((files, {"1.png": files["1.png"] + b"\0"}), ({"a": image, "b": image}, {"b": other})):
        before, after = load(images_of(contents), decoding), load(images_of(contents | changed), decoding)
        assert after.fingerprint != before.fingerprint
        assert after.pixels.digest != before.pixels.digest


@pytest.mark.parametrize("change", [b"not an image", b"", PermissionError(13, "Permission denied")])
def test_an_unreadable_file_counts_in_fingerprint_and_pixel_key(images_of, png_files, decoding, change):
    contents = png_files(3) | {"notes.txt": b"no image"}
    before = catalogue_images(images_of(contents), decoding)
    after = catalogue_images(images_of(contents | {"notes.txt": change}), decoding)
    without = catalogue_images(images_of(png_files(3)), decoding)
    assert len({one.fingerprint for one in (before, after, without)}) == 3
    assert len({one.pixels.digest for one in (before, after, without)}) == 3


def test_the_shape_of_pixels_changes_the_pixel_key(images_of, load):
    image = np.full((4, 16), 255, dtype=np.uint8)
    padded = Decoding(size=16, resize="pad", threads=1)
    wide, high = (load(images_of({"a": shape}), padded) for shape in (image, image.reshape(16, 4)))
    assert wide.pixels.digest != high.pixels.digest
    np.testing.assert_array_equal(pixels_of(high)[0], pixels_of(wide)[0].T)


@pytest.mark.parametrize(
    "change",
    [{"label": 1}, {"patient": "somebody else"}, {"split": "test"}, {"key": "other.png"}, {"site": "Basel"}, {"source": "NIH"}],
)
def test_record_fields_change_the_fingerprint_but_not_the_pixels(images_of, png_files, decoding, change, load):
    contents = png_files(3)
    images = images_of(contents)
    before = load(images, decoding)
    changed = replace(images.records[0], **change)
    after = load(
        replace(images, records=[changed, *images.records[1:]], read=lambda key: contents.get(key, contents["0.png"])),
        decoding,
        never,
    )
    assert after.fingerprint != before.fingerprint
    assert after.pixels == before.pixels


def test_fingerprint_and_pixel_key_have_their_published_values(images_of, decoding):
    details = {"split": "test", "view": "PA", "age": "4", "sex": "F", "site": "Basel", "source": "K"}
    records = [Record(key="a", label=0, patient="p"), Record(key="b", label=1, patient="q", **details)]
    images = replace(images_of({"a": np.zeros((2, 3), np.uint8), "b": b"abc"}), records=records)
    assert catalogue_images(images, decoding).fingerprint == (
        "b695039e00b7bc5c26de38614e0ddebd63768bb84bf4e7e27a85aad145b3ea0a"
    )


@pytest.mark.parametrize("default", [{"default": None}, {"default_factory": list}])
def test_an_added_record_field_counts_only_where_it_is_set(images_of, png_files, decoding, default):
    images = images_of(png_files(2))
    names = [(each.name, each.type, field(default=each.default)) for each in fields(Record)]
    later = make_dataclass("Record", [*names, ("laterality", object, field(**default))], frozen=True, slots=True, kw_only=True)
    unset = [later(**asdict(record)) for record in images.records]
    left = [later(**asdict(images.records[0]), laterality="left"), unset[1]]
    before, same, other = (catalogue_images(replace(images, records=made), decoding) for made in (images.records, unset, left))
    assert same.fingerprint == before.fingerprint != other.fingerprint
    assert other.pixels == before.pixels


def test_another_order_of_files_gives_another_pixel_key(images_of, png_files, decoding, load):
    contents = png_files(3)
    before = load(images_of(contents), decoding)
    after = load(images_of(dict(reversed(contents.items()))), decoding)
    assert after.pixels.digest != before.pixels.digest
    np.testing.assert_array_equal(pixels_of(after), pixels_of(before)[::-1])


@pytest.mark.parametrize("change", [{"size": 9}, {"resize": "pad"}])
def test_size_and_resize_change_the_pixels_key_alone(images_of, png_files, decoding, change, load):
    before = load(images_of(png_files(3)), decoding)
    after = load(images_of(png_files(3)), replace(decoding, **change))
    assert after.pixels.digest != before.pixels.digest
    assert after.fingerprint == before.fingerprint


def test_the_number_of_threads_changes_nothing(images_of, png_files, tmp_path, monkeypatch, load):
    contents = png_files(40) | {"notes.txt": b"not an image"}
    found = []
    for threads in (1, 7):
        monkeypatch.setenv("CXRBENCH_HOME", str(tmp_path / str(threads)))
        found.append(load(images_of(contents), Decoding(size=8, resize="stretch", threads=threads)))
    one, many = found
    files = [tmp_path / threads / "images" / one.pixels.digest / "rows.raw" for threads in ("1", "7")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert len(files[0].read_bytes()) == 41 * 8 * 8
    assert one.pixels == many.pixels
    assert (one.fingerprint, one.skipped, one.records) == (many.fingerprint, many.skipped, many.records)


def test_more_images_than_are_in_flight_at_once_keep_their_order(images_of, decoding, load):
    levels = np.arange(3 * SHARD_ROWS + 5) % 251
    contents = {str(row): np.full((8, 8), level, dtype=np.uint8) for row, level in enumerate(levels)}
    dataset = load(images_of(contents), replace(decoding, threads=4))
    np.testing.assert_array_equal(pixels_of(dataset)[:, 3, 3], levels)


def test_two_processes_may_decode_the_same_images_at_once(png_files, cache, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for key, content in png_files(60).items():
        (folder / key).write_bytes(content)
    command = [sys.executable, "-c", TWO_AT_ONCE, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, env=dict(os.environ), **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    assert ends[0][0] == ends[1][0] != ""
    assert str(list(range(9))) in ends[0][0]
    assert [path.name for path in (cache / "images").iterdir()] == [ends[0][0].split()[1]]


def test_a_data_set_without_one_readable_image_is_refused(images_of, decoding, load):
    with pytest.raises(
        DataError, match=r"none of the 2 files could be read as an image; the first: a is not an image"
    ) as caught:
        load(images_of({"a": b"x", "b": b""}), decoding)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([], "no images"),
        ([Record(key="a", label=0, patient="p"), Record(key="a", label=1, patient="q")], "two images have the key 'a'"),
        ([Record(key="a", label=2, patient="p")], "a: label 2 is neither 0 nor 1"),
        ([Record(key="a", label=None, patient="p")], "a: label None is neither 0 nor 1"),
    ],
)
def test_invalid_records_are_refused(images_of, decoding, records, words, load):
    with pytest.raises(DataError, match=words):
        load(replace(images_of({"a": np.zeros((8, 8), dtype=np.uint8)}), records=records), decoding)


def test_nothing_is_written_outside_the_cache(images_of, png_files, decoding, cache, load):
    dataset = load(images_of(png_files(2)), decoding)
    assert dataset.pixels.array.folder.is_relative_to(cache)
    assert {path.relative_to(cache).parts[0] for path in Path(cache).rglob("*")} == {"images"}
