"""Folders, pipes, sockets, devices, links, closed files and odd names: read or named, and nothing waits for ever."""

from __future__ import annotations

import os
import pickle
import shutil
import socket
import subprocess
import sys
import unicodedata
from dataclasses import replace

import numpy as np
import pytest

from cxrbench.data.audit.audit import audit
from cxrbench.data.dataset import catalogue_images
from cxrbench.data.split import split_dataset
from cxrbench.errors import DataError
from cxrbench.plugin import Record
from cxrbench.storage.safe_text import as_line
from cxrbench_datasets.folder import load_folder

ODD = {
    "line\nbreak.png": "line\\nbreak.png",
    "\x1b[31mred.png": "\\x1b[31mred.png",
    "\u202egnp.exe": "\\u202egnp.exe",
    "lungs \N{LUNGS}.png": "lungs \N{LUNGS}.png",
    unicodedata.normalize("NFC", "é.png"): unicodedata.normalize("NFC", "é.png"),
    unicodedata.normalize("NFD", "é.png"): unicodedata.normalize("NFD", "é.png"),
    "a" * 251 + ".png": "a" * 251 + ".png",
    'quote",comma.png': 'quote",comma.png',
    " leading space.png": " leading space.png",
    "-rf.png": "-rf.png",
    "trailing dot.": "trailing dot.",
    "[bold]markup.png": "[bold]markup.png",
}


@pytest.fixture
def tree(tmp_path, png_files):
    """Return a folder of twenty images of each class."""
    root = tmp_path / "images"
    for number, content in enumerate(png_files(40).values()):
        path = root / ("NORMAL", "PNEUMONIA")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


@pytest.fixture
def skipped(load, decoding):
    """Return key and reason of what is skipped of a folder, having made sure that nothing else is missing."""

    def look(root):
        images = load_folder(str(root))
        dataset = load(images, decoding)
        read = {record.key for record in dataset.records}
        named = dict(dataset.skipped)
        assert read | named.keys() == {record.key for record in images.records}
        assert len(read) + len(named) == len(images.records)
        return named

    return look


@pytest.mark.timeout(60)
def test_special_files_are_refused_without_waiting(tmp_path, reason_for):
    os.mkfifo(tmp_path / "pipe.png")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket.png"))
    server.close()
    assert reason_for(tmp_path / "pipe.png") == "is a pipe, not a file"
    assert reason_for(tmp_path / "socket.png") == "is a socket, not a file"
    assert reason_for(tmp_path) == "is a folder, not a file"
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    assert reason_for(tmp_path / "zero.png") == "is a device, not a file"


def test_a_file_larger_than_any_image_is_not_read(tmp_path, reason_for):
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(2**40)
    assert reason_for(tmp_path / "large.png").startswith("has 1,099,511,627,776 bytes")


def test_a_path_that_cannot_exist_is_named(tmp_path, reason_for):
    assert reason_for(tmp_path / "nul\0.png") == "cannot be decoded: ValueError"
    assert reason_for(tmp_path / ("a" * 300)) == "File name too long"


@pytest.mark.timeout(60)
def test_whatever_lies_in_a_class_folder_is_read_or_named(tree, skipped):
    folder = tree / "NORMAL"
    os.mkfifo(folder / "pipe.png")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "self.png").symlink_to(folder / "self.png")
    (folder / "null.png").symlink_to("/dev/null")
    (folder / "empty.png").touch()
    (folder / "linked.png").symlink_to(folder / "0.png")
    assert skipped(tree) == {
        "NORMAL/pipe.png": "is a pipe, not a file",
        "NORMAL/gone.png": "does not exist",
        "NORMAL/self.png": "Too many levels of symbolic links",
        "NORMAL/null.png": "is a device, not a file",
        "NORMAL/empty.png": "is empty",
    }


def test_folders_that_link_back_are_named_and_read_once(tree):
    before = [record.key for record in load_folder(str(tree)).records]
    (tree / "NORMAL" / "deeper").mkdir()
    (tree / "NORMAL" / "deeper" / "up").symlink_to(tree)
    (tree / "NORMAL" / "again").symlink_to(tree / "NORMAL")
    (tree / "NORMAL" / "ring").symlink_to(tree / "NORMAL" / "ring")
    with pytest.raises(DataError, match="has images in deeper/up/PNEUMONIA/; it is unclear"):
        load_folder(str(tree))  # they would count as NORMAL
    images = load_folder(str(tree), subfolder="*")
    assert (
        "ignored folders that link to folders that are already listed: NORMAL/again, NORMAL/deeper/up/NORMAL" in images.warnings
    )
    new = {record.key for record in images.records} - {*before}
    assert new == {"NORMAL/ring"} | {f"NORMAL/deeper/up/{key}" for key in before if key.startswith("PNEUMONIA")}


@pytest.mark.timeout(60)
def test_folders_that_all_link_to_each_other_are_listed_once(tree, png_files):
    places = [tree / "NORMAL" / f"ward-{number:02d}" for number in range(12)]
    for place, content in zip(places, png_files(12).values(), strict=True):
        place.mkdir()
        (place / "image.png").write_bytes(content)
    for place in places:
        for other in places:
            (place / f"to-{other.name}").symlink_to(other)
    images = load_folder(str(tree))
    found = [record.key for record in images.records if "ward" in record.key]
    assert found == [f"NORMAL/{place.name}/image.png" for place in places]


def test_a_folder_that_is_linked_twice_is_listed_once_and_said(tree, tmp_path):
    shutil.move(tree / "NORMAL", tmp_path / "elsewhere")
    for name in ("a", "b"):
        (tree / "NORMAL").mkdir(exist_ok=True)
        (tree / "NORMAL" / name).symlink_to(tmp_path / "elsewhere")
    images = load_folder(str(tree))
    assert sum(record.label == 0 for record in images.records) == 20
    assert "ignored folders that link to folders that are already listed: NORMAL/b" in images.warnings


def test_odd_names_are_keys_and_are_escaped_for_people(tree, skipped, load, decoding, png_files):
    for name in ODD:
        (tree / "NORMAL" / name).write_bytes(png_files(1)["0.png"])
        (tree / "PNEUMONIA" / name).write_bytes(b"broken")
    named = skipped(tree)
    assert named == {f"PNEUMONIA/{name}": "is not an image of a known format" for name in ODD}
    assert {as_line(key) for key in named} == {f"PNEUMONIA/{shown}" for shown in ODD.values()}


def test_names_that_are_not_unicode_have_escaped_keys(tree, load, decoding, png_files):
    raw = os.fsencode(tree / "NORMAL") + b"/caf\xe9\xff.png"
    with open(raw, "wb") as file:  # noqa: PTH123 - bytes are no path
        file.write(png_files(41)["40.png"])
    images = load_folder(str(tree))
    keys = {record.key for record in load(images, decoding).records}
    assert "NORMAL/caf\\xe9\\xff.png" in keys
    assert all(key.encode() for key in keys)
    assert pickle.loads(pickle.dumps(images.read))("NORMAL/caf\\xe9\\xff.png").is_file()


def test_keys_that_are_not_unicode_are_an_error(images_of, png_files, decoding):
    images = replace(images_of(png_files(1)), records=[Record(key="caf\udce9.png", label=0, patient="p")])
    with pytest.raises(DataError, match=r"the key 'caf\\udce9.png' is not valid Unicode"):
        catalogue_images(images, decoding)


@pytest.mark.parametrize("strict", [True, False])
def test_an_audit_names_odd_names_in_one_line(images_of, png_files, load, decoding, strict):
    dataset = load(images_of(png_files(400) | dict.fromkeys(ODD, b"")), decoding)
    splits = split_dataset(dataset, "grouped", 0, 1)
    if strict:
        with pytest.raises(DataError) as caught:
            audit(dataset, splits, split_name="grouped", strict=True)
        texts = [str(caught.value)]
    else:
        finding = next(one for one in audit(dataset, splits, split_name="grouped").findings if one.check == "unreadable")
        texts = [finding.message, *finding.examples]
    assert all(text.isprintable() for text in texts)
    assert "line\\nbreak.png" in texts[0]


AS_NOBODY = """
import os, sys
from pathlib import Path
import numpy, PIL.Image
from cxrbench.data.decoding.decode import decode
from cxrbench.errors import DataError
os.setgid(65534)
os.setuid(65534)
try:
    decode(Path(sys.argv[1]), size=8, resize="stretch")
except DataError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="has other permissions")
def test_a_file_that_may_not_be_read_is_named(tmp_path, png_files, reason_for):
    closed = tmp_path / "closed.png"
    closed.write_bytes(png_files(1)["0.png"])
    closed.chmod(0)
    if os.geteuid():
        assert reason_for(closed) == "Permission denied"
        return
    for folder in tmp_path.parents[:3]:
        folder.chmod(0o755)
    tmp_path.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", AS_NOBODY, str(closed)], capture_output=True, text=True, check=True)
    assert done.stdout == "Permission denied\n"


def test_pixels_of_a_plugin_may_have_any_odd_shape(images_of, decoding, load):
    contents = {
        "flat": np.zeros((0, 8), np.uint8),
        "deep": np.zeros((4, 4, 4, 4), np.uint8),
        "float": np.zeros((8, 8), np.float16),
        "fine": np.zeros((8, 8), np.uint8),
        "none": None,
    }
    dataset = load(images_of(contents), decoding)
    assert [record.key for record in dataset.records] == ["fine"]
    assert [key for key, _ in dataset.skipped] == ["flat", "deep", "float", "none"]
    assert all(reason for _, reason in dataset.skipped)
