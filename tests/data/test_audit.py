from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from cxrbench.data.audit import audit_dataset, audit_split
from cxrbench.data.split import Split
from cxrbench.errors import DataError


@pytest.fixture
def parts_with(dataset_of):
    """Make a data set and its split from (normal, pneumonia) images of each part."""

    def make(train=(30, 30), validation=(60, 60), test=(20, 20)):
        labels = [label for counts in (train, validation, test) for label in (0, 1) for _ in range(counts[label])]
        edges = np.cumsum([0, sum(train), sum(validation), sum(test)])
        rows = [np.arange(start, stop) for start, stop in pairwise(edges)]
        dataset = dataset_of([(label, f"p{row}", None) for row, label in enumerate(labels)])
        return dataset, Split(train=rows[0], validation=rows[1], test=rows[2])

    return make


@pytest.mark.parametrize(("label", "only", "missing"), [(1, "pneumonia", "normal"), (0, "normal", "pneumonia")])
def test_one_class_alone_is_refused(dataset_of, label, only, missing):
    with pytest.raises(DataError, match=f"all 7 images are {only}; images of {missing}") as caught:
        audit_dataset(dataset_of([(label, "p", None)] * 7), strict=False)
    assert caught.value.exit_code == 3


def test_two_classes_and_no_skipped_file_pass_with_the_plugins_own_warnings(dataset_of):
    assert audit_dataset(dataset_of([(0, "a", None), (1, "b", None)]), strict=True) == ("a warning of the plugin",)


def test_skipped_files_are_counted_and_named(dataset_of):
    skipped = [("a.png", "is no image of a known format"), ("b.jpeg", "is truncated")]
    dataset = dataset_of([(0, "a", None), (1, "b", None)] * 4, skipped)
    own, line = audit_dataset(dataset, strict=False)
    assert own == "a warning of the plugin"
    assert "2 of 10 files could not be read" in line
    assert "a.png is no image of a known format; b.jpeg is truncated" in line
    assert "more" not in line


def test_of_many_skipped_files_ten_are_named(dataset_of):
    skipped = [(f"film{number}.png", "is truncated") for number in range(37)]
    line = audit_dataset(dataset_of([(0, "a", None), (1, "b", None)], skipped), strict=False)[-1]
    assert "37 of 39 files" in line
    assert line.count("is truncated") == 10
    assert "film9.png" in line
    assert line.endswith("and 27 more")


def test_strict_makes_a_skipped_file_an_error(dataset_of):
    dataset = dataset_of([(0, "a", None), (1, "b", None)], [("a.png", "is truncated")])
    with pytest.raises(DataError, match=r"1 of 3 files could not be read: a\.png is truncated") as caught:
        audit_dataset(dataset, strict=True)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("validation", "counted"), [((24, 25), 49), ((9, 200), 209), ((200, 9), 209), ((0, 100), 100), ((0, 0), 0)]
)
def test_a_validation_part_that_decides_nothing_is_refused(parts_with, validation, counted):
    words = rf"validation part has {counted} images \({validation[0]} normal, {validation[1]} pneumonia\)"
    with pytest.raises(DataError, match=words) as caught:
        audit_split(*parts_with(validation=validation))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("validation", [(25, 25), (10, 200), (200, 10), (49, 50), (50, 49)])
def test_fewer_than_50_of_a_class_to_validate_on_are_a_warning(parts_with, validation):
    (line,) = audit_split(*parts_with(validation=validation))
    assert f"{validation[0]} normal, {validation[1]} pneumonia" in line
    assert "uncertain" in line


def test_50_of_either_class_to_validate_on_pass(parts_with):
    assert audit_split(*parts_with(validation=(50, 50))) == ()


@pytest.mark.parametrize(("part", "word"), [("train", "training"), ("test", "test")])
@pytest.mark.parametrize("counts", [(0, 40), (40, 0), (0, 0)])
def test_another_part_without_both_classes_is_refused(parts_with, part, word, counts):
    with pytest.raises(DataError, match=f"the {word} part has {sum(counts)} images of one class or none") as caught:
        audit_split(*parts_with(**{part: counts}))
    assert caught.value.exit_code == 3


def test_patients_on_both_sides_are_counted_for_each_part(dataset_of):
    patients = [f"p{row}" for row in range(220)]
    patients[150] = "p0"  # a validation image of a training patient
    patients[200:203] = ["p0", "p100", "p101"]  # test images of a training and of two validation patients
    dataset = dataset_of([(row % 2, patient, None) for row, patient in enumerate(patients)])
    split = Split(train=np.arange(80), validation=np.arange(80, 200), test=np.arange(200, 220))
    validation, test = audit_split(dataset, split)
    assert validation.startswith("1 of 120 validation images are of patients with other images in training:")
    assert test.startswith("3 of 20 test images are of patients with other images in training or validation:")


def test_patients_kept_apart_give_no_warning(dataset_of):
    dataset = dataset_of([(row % 2, f"p{row}", None) for row in range(220)])
    split = Split(train=np.arange(80), validation=np.arange(80, 200), test=np.arange(200, 220))
    assert audit_split(dataset, split) == ()
