"""What there is in a dataset, counted for tables, and a sheet of a few of its images."""

from __future__ import annotations

import numpy as np
import pytest

from cxrbench.data.contact_sheet import EMPTY, GAP, HEADING, PER_ROW, TILE, draw_sheet, sheet_rows
from cxrbench.data.decoding.facts import FileFacts
from cxrbench.data.overview import Cell, Range, ages_by_label, composition, sizes_by_label
from cxrbench.errors import DataError
from cxrbench.plugin import ClassNames, Images, Record


def record(number, label, patient="", **values):
    return Record(key=f"{number}", label=label, patient=patient or f"p{number}", **values)


def test_images_are_counted_by_split_view_and_sex():
    records = [
        record(1, 1, "p", split="test", view="PA", sex="F"),
        record(2, 0, "p", split="train", view="PA", sex="F"),
        record(3, 0, "q", split="train", view=" PA ", sex="F"),
        record(4, 1, "q", split="train", view="PA", sex="F"),
        record(5, 1, "r", split="train", view="AP"),
        record(6, 1, "s"),
    ]
    assert composition(records) == [
        Cell(split="train", view="PA", sex="F", negatives=2, positives=1, patients=2),
        Cell(split="train", view="AP", sex="", negatives=0, positives=1, patients=1),
        Cell(split="test", view="PA", sex="F", negatives=0, positives=1, patients=1),
        Cell(split="", view="", sex="", negatives=0, positives=1, patients=1),
    ]
    assert composition([]) == []


def test_ages_are_summed_up_by_class():
    ages = ["4", "045Y", "006M", None, "unknown", ""]
    records = [record(number, 0, age=age) for number, age in enumerate(ages)] + [record("x", 1)]
    assert ages_by_label(records) == (
        Range(least=0.5, middle=4, most=45, unknown=3),
        Range(least=None, middle=None, most=None, unknown=1),
    )


def test_sizes_are_summed_up_by_class():
    files = [FileFacts(bits=8, colour=False, width=width, height=7, pixels="") for width in (10, 30, 20)]
    records = [record(1, 0), record(2, 0), record(3, 1)]
    assert sizes_by_label(records, files, "width") == (
        Range(least=10, middle=20, most=30, unknown=0),
        Range(least=20, middle=20, most=20, unknown=0),
    )
    assert sizes_by_label(records, files, "height")[1].most == 7


@pytest.fixture
def images():
    """Twenty patients with two images each, of two classes, in train and without a split."""
    records = [record(number, number % 2, f"p{number // 2}", split="train" if number < 30 else None) for number in range(40)]

    def read(key):
        if key == "39":
            raise DataError("is gone")
        return np.full((20, 40), int(key), dtype=np.uint8)

    names = ClassNames(negative="well", positive="ill")
    return Images(name="x", records=records, read=read, class_names=names)


def test_a_sheet_has_a_few_patients_of_each_class_and_split(images):
    rows = dict(sheet_rows(images))
    assert list(rows) == ["well, train: 15 images", "well: 5 images", "ill, train: 15 images", "ill: 5 images"]
    assert [len(records) for records in rows.values()] == [6, 5, 6, 5]
    keys = [int(one.key) for one in rows["well, train: 15 images"]]
    assert (keys[0], keys[-1]) == (0, 28)
    assert len({one.patient for records in rows.values() for one in records if one.label}) == 11


def test_a_sheet_has_an_empty_place_for_an_unreadable_image(images):
    unread = []
    sheet = np.asarray(draw_sheet(images, sheet_rows(images), lambda key, reason: unread.append((key, reason))))
    assert sheet.shape == (GAP + 4 * (HEADING + TILE + GAP), GAP + PER_ROW * (TILE + GAP))
    assert unread == [("39", "is gone")]
    middle = GAP + HEADING + TILE // 2
    assert sheet[middle, GAP + TILE // 2] == 0  # image 0
    assert sheet[middle, GAP + 5 * (TILE + GAP) + TILE // 2] == 28
    last = middle + 3 * (HEADING + TILE + GAP)
    assert sheet[last, GAP + 4 * (TILE + GAP) + TILE // 2] == EMPTY
    assert (sheet[GAP : GAP + HEADING, :150] < 128).any()  # the heading
