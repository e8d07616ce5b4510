"""Which files the paths of a command stand for."""

from __future__ import annotations

import io
import os
import sys

import pytest

from cxrbench.data.image_paths import FoundPath, find_images


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Make a folder with the given files (name to content) the working directory."""

    def make(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return make


def names(*texts):
    return [found.path.as_posix() for found in find_images(texts)]


def test_a_folder_stands_for_the_images_below_it_in_order(place):
    dicom_file = bytes(128) + b"DICM"
    files = {"b/2.png": b"", "b/10.png": b"", "a.JPG": b"x", "c/IM0001": dicom_file, "c/readme": b"text", "c/labels.csv": b""}
    place({f"ward/{name}": content for name, content in files.items()})
    assert names("ward") == ["ward/a.JPG", "ward/b/10.png", "ward/b/2.png", "ward/c/IM0001"]


def test_hidden_files_and_those_of_macos_are_left_out(place):
    apple_double = b"\0\5\x16\7" + bytes(20)
    place({"w/.a.png": b"x", "w/.old/b.png": b"x", "w/__MACOSX/c.png": b"x", "w/d.png": b"x", "w/_e.png": apple_double})
    assert names("w") == ["w/d.png"]


def test_a_named_file_is_taken_whatever_it_is(place):
    place({"readme": b"text"})
    assert names("readme", "missing.png", "readme") == ["readme", "missing.png", "readme"]


def test_a_quoted_pattern_is_expanded(place):
    place({"w/2.png": b"", "w/1.png": b"", "w/deep/3.png": b"", "w/4.txt": b""})
    assert names("w/*.png") == ["w/1.png", "w/2.png"]
    assert names("w/**/*.png") == ["w/1.png", "w/2.png", "w/deep/3.png"]
    assert names("w/d*") == ["w/deep/3.png"]  # a folder that a pattern matches is searched
    assert names("w/*.bmp") == ["w/*.bmp"]


def test_a_file_whose_name_is_a_pattern_is_that_file(place):
    place({"[1].png": b"", "1.png": b""})
    assert names("[1].png") == ["[1].png"]


def test_standard_input_lists_files_and_folders(place, monkeypatch):
    place({"w/1.png": b"", "a b.png": b"", "w*.png": b""})
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a b.png\r\nw\n\nw*.png\nlast.png")))
    assert names("w/1.png", "-") == ["w/1.png", "a b.png", "w/1.png", "w*.png", "last.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_links_are_followed_once_and_what_is_no_file_is_named(place):
    root = place({"w/deep/1.png": b"", "elsewhere/2.png": b""})
    (root / "w/deep/back").symlink_to(root / "w")
    (root / "w/linked").symlink_to(root / "elsewhere")
    (root / "w/again").symlink_to(root / "elsewhere")
    (root / "w/broken.png").symlink_to(root / "nowhere")
    (root / "w/itself.png").symlink_to(root / "w/itself.png")
    (root / "w/broken").symlink_to(root / "nowhere")
    os.mkfifo(root / "w/pipe.png")
    os.mkfifo(root / "w/pipe")
    assert names("w") == ["w/broken.png", "w/itself.png", "w/pipe.png", "w/again/2.png", "w/deep/1.png"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may list every folder")
def test_a_folder_that_cannot_be_listed_is_named(place):
    root = place({"w/1.png": b"", "w/closed/2.png": b""})
    (root / "w/closed").chmod(0)
    try:
        found = list(find_images(["w"]))
    finally:
        (root / "w/closed").chmod(0o755)
    closed = FoundPath(path=found[1].path, problem="cannot be listed: Permission denied")
    assert found[1:] == [closed]


def test_a_path_that_cannot_exist_is_a_file_to_try():
    assert names("a\0b.png") == ["a\0b.png"]
