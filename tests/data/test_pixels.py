from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxrbench.data.dataset import load_dataset
from cxrbench.data.decode import decode
from cxrbench.data.pixels import CHUNK, Decoding
from cxrbench.errors import DataError
from cxrbench.plugin import Record

TWO_AT_ONCE = """
import sys
from pathlib import Path
import numpy as np
from cxrbench.data.dataset import load_dataset
from cxrbench.data.pixels import Decoding
from cxrbench.plugin import Images, Record

folder = Path(sys.argv[1])
keys = sorted(path.name for path in folder.iterdir())
records = [Record(key=key, label=row % 2, patient=key) for row, key in enumerate(keys)]
images = Images(name="shared", records=records, read=lambda key: folder / key)
print("ready", flush=True)
sys.stdin.readline()
dataset = load_dataset(images, Decoding(size=32, resize="pad", threads=1))
print(dataset.fingerprint, dataset.pixels.digest, int(dataset.pixels.read(0, len(keys)).sum()))
"""


def pixels_of(dataset):
    return np.array(dataset.pixels.read(0, dataset.pixels.rows))


def never(done, total):
    raise AssertionError(f"decoded again: {done} of {total}")


def test_pixels_and_labels_are_those_of_the_records(images_of, films_of, decoding):
    contents = films_of(5)
    dataset = load_dataset(images_of(contents, label=lambda row: row // 3), decoding)
    assert dataset.labels.tolist() == [0, 0, 0, 1, 1]
    assert dataset.patients.tolist() == ["p0", "p1", "p2", "p3", "p4"]
    assert dataset.warnings == ("a warning of the plugin",)
    assert (dataset.pixels.rows, dataset.pixels.size) == (5, 8)
    expected = [decode(content, size=8, resize="stretch") for content in contents.values()]
    np.testing.assert_array_equal(pixels_of(dataset), expected)
    np.testing.assert_array_equal(dataset.pixels.read(2, 4), expected[2:4])


def test_unreadable_files_are_skipped_and_the_rest_stay_aligned(images_of, films_of, encode, decoding, tmp_path):
    films = list(films_of(3).values())
    jpeg = encode(np.random.default_rng(1).integers(0, 256, (90, 90), dtype=np.uint8), "JPEG")
    contents = {
        "notes.txt": b"not a film",
        "a": films[0],
        "gone.png": tmp_path / "gone.png",
        "half.jpeg": jpeg[: len(jpeg) // 2],
        "b": films[1],
        "closed.png": PermissionError(13, "Permission denied"),
        "c": films[2],
        "empty.png": b"",
    }
    dataset = load_dataset(images_of(contents, label=lambda row: int(row == 4)), decoding)
    assert [record.key for record in dataset.records] == ["a", "b", "c"]
    assert dataset.labels.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(pixels_of(dataset), [decode(film, size=8, resize="stretch") for film in films])
    reasons = dict(dataset.skipped)
    assert list(reasons) == ["notes.txt", "gone.png", "half.jpeg", "closed.png", "empty.png"]
    assert "is no image" in reasons["notes.txt"]
    assert reasons["gone.png"] == "does not exist"
    assert "truncated" in reasons["half.jpeg"]
    assert reasons["closed.png"] == "Permission denied"
    assert "is no image" in reasons["empty.png"]


def test_skipped_files_are_known_without_decoding_again(images_of, films_of, decoding):
    images = images_of(films_of(3) | {"notes.txt": b"not a film"})
    first = load_dataset(images, decoding)
    assert load_dataset(images, decoding, never) == first
    assert [key for key, _ in first.skipped] == ["notes.txt"]


def test_a_file_that_has_been_repaired_is_read(images_of, films_of, decoding, tmp_path):
    path = tmp_path / "late.png"
    contents = films_of(2) | {"late.png": path}
    before = load_dataset(images_of(contents), decoding)
    path.write_bytes(contents["0.png"])
    after = load_dataset(images_of(contents), decoding)
    assert (len(before.records), len(after.records)) == (2, 3)
    assert after.skipped == ()


def test_progress_counts_up_to_all_images(images_of, films_of, decoding):
    heard = []
    load_dataset(images_of(films_of(3) | {"x": b""}), decoding, lambda done, total: heard.append((done, total)))
    assert heard == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_second_load_decodes_nothing_and_gives_the_same(images_of, films_of, decoding):
    first = load_dataset(images_of(films_of(4)), decoding)
    second = load_dataset(images_of(films_of(4)), decoding, never)
    assert second == first
    np.testing.assert_array_equal(pixels_of(second), pixels_of(first))


def test_one_byte_of_one_image_changes_fingerprint_and_pixel_key(images_of, films_of, decoding):
    contents = films_of(3)
    before = load_dataset(images_of(contents), decoding)
    after = load_dataset(images_of(contents | {"1.png": contents["1.png"] + b"\0"}), decoding)
    assert after.fingerprint != before.fingerprint
    assert after.pixels.digest != before.pixels.digest


def test_one_pixel_changes_fingerprint_and_pixel_key(images_of, decoding):
    film = np.zeros((8, 8), dtype=np.uint8)
    other = film.copy()
    other[3, 4] = 1
    before, after = (load_dataset(images_of({"a": film, "b": second}), decoding) for second in (film, other))
    assert after.fingerprint != before.fingerprint
    assert after.pixels.digest != before.pixels.digest


def test_the_shape_of_pixels_changes_the_pixel_key(images_of):
    film = np.full((4, 16), 255, dtype=np.uint8)
    padded = Decoding(size=16, resize="pad", threads=1)
    wide, high = (load_dataset(images_of({"a": shape}), padded) for shape in (film, film.reshape(16, 4)))
    assert wide.pixels.digest != high.pixels.digest
    np.testing.assert_array_equal(pixels_of(high)[0], pixels_of(wide)[0].T)


@pytest.mark.parametrize(
    "change", [{"label": 1}, {"patient": "somebody else"}, {"split": "test"}, {"key": "other.png"}, {"site": "Basel"}]
)
def test_what_is_known_of_an_image_changes_the_fingerprint_but_not_the_pixels(images_of, films_of, decoding, change):
    contents = films_of(3)
    images = images_of(contents)
    before = load_dataset(images, decoding)
    changed = replace(images.records[0], **change)
    after = load_dataset(
        replace(images, records=[changed, *images.records[1:]], read=lambda key: contents.get(key, contents["0.png"])),
        decoding,
        never,
    )
    assert after.fingerprint != before.fingerprint
    assert after.pixels == before.pixels


def test_another_order_of_files_gives_another_pixel_key(images_of, films_of, decoding):
    contents = films_of(3)
    before = load_dataset(images_of(contents), decoding)
    after = load_dataset(images_of(dict(reversed(contents.items()))), decoding)
    assert after.pixels.digest != before.pixels.digest
    np.testing.assert_array_equal(pixels_of(after), pixels_of(before)[::-1])


@pytest.mark.parametrize("change", [{"size": 9}, {"resize": "pad"}])
def test_size_and_resizing_change_the_pixel_key_but_not_the_fingerprint(images_of, films_of, decoding, change):
    before = load_dataset(images_of(films_of(3)), decoding)
    after = load_dataset(images_of(films_of(3)), replace(decoding, **change))
    assert after.pixels.digest != before.pixels.digest
    assert after.fingerprint == before.fingerprint


def test_the_number_of_threads_changes_nothing(images_of, films_of, decoding, tmp_path, monkeypatch):
    contents = films_of(40) | {"notes.txt": b"not a film"}
    found = []
    for threads in (1, 7):
        monkeypatch.setenv("CXRBENCH_HOME", str(tmp_path / str(threads)))
        found.append(load_dataset(images_of(contents), replace(decoding, threads=threads)))
    one, many = found
    assert one.pixels.path != many.pixels.path
    assert one.pixels.path.read_bytes() == many.pixels.path.read_bytes()
    assert (one.fingerprint, one.skipped, one.records) == (many.fingerprint, many.skipped, many.records)


def test_more_images_than_are_in_flight_at_once_keep_their_order(images_of, decoding):
    levels = np.arange(CHUNK + 5) % 251
    contents = {str(row): np.full((8, 8), level, dtype=np.uint8) for row, level in enumerate(levels)}
    dataset = load_dataset(images_of(contents), replace(decoding, threads=4))
    np.testing.assert_array_equal(pixels_of(dataset)[:, 3, 3], levels)


def test_decoding_that_breaks_off_leaves_nothing_behind(images_of, films_of, decoding, cache):
    def interrupt(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_dataset(images_of(films_of(3)), decoding, interrupt)
    assert list((cache / "images").iterdir()) == []
    assert len(load_dataset(images_of(films_of(3)), decoding).records) == 3


def test_two_processes_may_decode_the_same_images_at_once(films_of, cache, tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    for key, content in films_of(60).items():
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
    assert [path.name for path in (cache / "images").iterdir()] == [ends[0][0].split()[1]]


def test_a_data_set_without_one_readable_image_is_refused(images_of, decoding):
    with pytest.raises(DataError, match=r"none of 2 files could be read as an image; the first: a is no image") as caught:
        load_dataset(images_of({"a": b"x", "b": b""}), decoding)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([], "no images"),
        ([Record(key="a", label=0, patient="p"), Record(key="a", label=1, patient="q")], "two images have the key 'a'"),
        ([Record(key="a", label=2, patient="p")], "a: label 2 is neither 0"),
        ([Record(key="a", label=None, patient="p")], "a: label None is neither 0"),
    ],
)
def test_records_that_cannot_be_meant_are_refused(images_of, decoding, records, words):
    with pytest.raises(DataError, match=words):
        load_dataset(replace(images_of({"a": np.zeros((8, 8), dtype=np.uint8)}), records=records), decoding)


def test_nothing_is_written_outside_the_cache(images_of, films_of, decoding, cache):
    dataset = load_dataset(images_of(films_of(2)), decoding)
    assert dataset.pixels.path.is_relative_to(cache)
    assert {path.relative_to(cache).parts[0] for path in Path(cache).rglob("*")} == {"images"}
