"""Every image file of a tree is an image of the dataset, or is counted and named, or the tree is refused with what to do."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxrbench.plugin import DataError
from cxrbench_datasets.folder import load_folder

PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)
FOLDERS = (
    *("NORMAL", "PNEUMONIA", "normal", "0", "1", "2", "train", "test", "val", "validation", "training", "images", "image"),
    *("masks", "lung masks", "ManualMask", "masked", "heatmaps", "p1", "deeper", ".cache", "__MACOSX", "COVID", "top"),
)
FILES = {
    "a.png": PNG,
    "b.JPEG": b"broken",
    "no ending": PNG,
    "scan": bytes(128) + b"DICM",
    "a_mask.png": PNG,
    ".hidden.png": PNG,
    "._a.png": b"\0\5\x16\7" + bytes(40),
    ".DS_Store": b"\0\0\0\1Bud1",
    "notes.txt": b"no image",
}
NO_IMAGES = {"._a.png", ".DS_Store", "notes.txt"}
NAMES = st.lists(st.sampled_from(sorted(FILES)), max_size=3, unique=True)
INSIDE = st.lists(st.sampled_from(FOLDERS), max_size=4).map(tuple)
STARTS = st.sampled_from(
    [("NORMAL",), ("PNEUMONIA",), ("train", "NORMAL"), ("train", "PNEUMONIA"), ("test",), ("0",), ("1",), ()]
)
PLACES = st.tuples(STARTS, st.lists(st.sampled_from(FOLDERS), max_size=2).map(tuple)).map(lambda both: both[0] + both[1])
USUAL = {("NORMAL",): ["a.png"], ("PNEUMONIA",): ["a.png"]}
IN_TRAIN = {("train", *place): files for place, files in USUAL.items()}
TREES = st.tuples(st.sampled_from([USUAL, IN_TRAIN, {}]), st.dictionaries(st.one_of(PLACES, INSIDE), NAMES, max_size=7)).map(
    lambda both: both[1] | both[0]
)
LABELS = {"normal": 0, "pneumonia": 1, "0": 0, "1": 1}
COUNTED = re.compile(r"^ignored .*: ([\d,]+) image files? in (.*)$")
ENTRY = re.compile(r"(.*?) \(([\d,]+)\)(?:, |$)")


def write_tree(top, tree):
    for place, names in tree.items():
        folder = top.joinpath(*place)
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).write_bytes(FILES[name])


def named_places(warnings):
    """Return the places that the warnings name, with the number of files left out in each."""
    places = {}
    for warning in warnings:
        if found := COUNTED.match(warning):
            entries = dict(ENTRY.findall(found[2].partition(", and ")[0]))
            places |= {place: int(count) for place, count in entries.items()}
            assert sum(map(int, entries.values())) == int(found[1]) or ", and " in found[2]
    return places


def is_inside(name, place):
    return name == place or (name.startswith(place) and place.endswith("/")) or (place == "./" and "/" not in name)


def check_tree(top):
    """Check a tree and return how it ended: read, refused, or the error without a remedy."""
    try:
        images = load_folder(str(top))
    except DataError as error:
        return "refused" if re.search(r"expected|keep one|subfolder=|--positive", str(error)) else str(error)
    taken = {images.read(record.key) for record in images.records}
    assert len(taken) == len(images.records)
    places, left = named_places(images.warnings), 0
    for path in (path for path in top.rglob("*") if path.is_file() and path.name not in NO_IMAGES):
        if path not in taken:
            left += 1
            name = path.relative_to(top).as_posix()
            assert any(is_inside(name, place) for place in places), (name, images.warnings)
    assert sum(places.values()) == left
    for record in images.records:
        first, second = [*record.key.casefold().split("/"), ""][:2]
        assert LABELS[first if first in LABELS else second] == record.label
    return "read"


def check_trees(count):
    ends = []

    @settings(max_examples=count, suppress_health_check=list(HealthCheck), database=None)
    @given(TREES)
    def check(tree):
        top = Path(tempfile.mkdtemp()) / "top"
        try:
            write_tree(top, tree)
            top.mkdir(exist_ok=True)
            ends.append(check_tree(top))
        finally:
            shutil.rmtree(top.parent)

    check()
    return ends


def test_no_image_of_any_tree_is_left_out_without_a_word():
    assert {"read", "refused"} == set(check_trees(60))


@pytest.mark.long
def test_no_image_of_500_trees_is_left_out_without_a_word():
    ends = check_trees(500)
    assert set(ends) == {"read", "refused"}
    assert min(ends.count("read"), ends.count("refused")) > 50
