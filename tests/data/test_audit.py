from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from cxrbench.data.audit.audit import audit
from cxrbench.data.audit.findings import Audit
from cxrbench.data.split import Split
from cxrbench.errors import DataError
from cxrbench.plugin import ClassNames


@pytest.fixture
def parts_with(dataset_of):
    """Make a data set and its split from (normal, pneumonia) images of each part."""

    def make(train=(40, 40), validation=(60, 60), test=(20, 20), skipped=()):
        labels = [label for counts in (train, validation, test) for label in (0, 1) for _ in range(counts[label])]
        edges = np.cumsum([0, sum(train), sum(validation), sum(test)])
        rows = [np.arange(start, stop) for start, stop in pairwise(edges)]
        dataset = dataset_of([(label, f"p{row}", None) for row, label in enumerate(labels)], skipped)
        return dataset, Split(train=rows[0], validation=rows[1], test=rows[2])

    return make


def checked(dataset, *splits, **options):
    return audit(dataset, splits, **{"split_name": "grouped", **options})


def refusal(*arguments, **options):
    with pytest.raises(DataError) as caught:
        checked(*arguments, **options)
    assert caught.value.exit_code == 3
    return str(caught.value)


@pytest.mark.parametrize(("label", "only", "missing"), [(1, "PNEUMONIA", "NORMAL"), (0, "NORMAL", "PNEUMONIA")])
def test_one_class_alone_is_refused(dataset_of, label, only, missing):
    words = refusal(dataset_of([(label, "p", None)] * 7))
    assert f"all 7 images are {only}; {missing} images are needed" in words


def test_messages_use_the_class_names_of_the_dataset(dataset_of, parts_with):
    names = ClassNames(negative="clear", positive="effusion")
    one_class = replace(dataset_of([(1, "p", None)] * 7), class_names=names)
    assert "all 7 images are effusion; clear images are needed" in refusal(one_class)
    dataset, split = parts_with(validation=(49, 9))
    assert "(49 clear, 9 effusion)" in refusal(replace(dataset, class_names=names), split)
    dataset, split = parts_with(test=(9, 0))
    assert "clear and effusion are needed" in refusal(replace(dataset, class_names=names), split)


@pytest.mark.parametrize("validation", [(60, 60), (50, 50)])
def test_enough_of_two_classes_and_no_skipped_file_are_clean(parts_with, validation):
    found = checked(*parts_with(validation=validation), strict=True)
    assert (found.findings, found.verdict, found.leaks, found.warnings) == ((), "clean", (), ())


def test_skipped_files_are_counted_and_named(parts_with):
    (finding,) = checked(
        *parts_with(skipped=[("a.png", "is not an image of a known format"), ("b.jpeg", "is truncated")])
    ).findings
    assert (finding.check, finding.severity, finding.count) == ("unreadable", "warning", 2)
    assert finding.examples == ("a.png", "b.jpeg")
    assert "2 of 242 files could not be read" in finding.message
    assert "a.png is not an image of a known format; b.jpeg is truncated" in finding.message
    assert "more" not in finding.message


def test_of_many_skipped_files_ten_are_named(parts_with):
    (line,) = checked(*parts_with(skipped=[(f"image{number}.png", "is truncated") for number in range(37)])).warnings
    assert "37 of 277 files" in line
    assert line.count("is truncated") == 10
    assert "image9.png" in line
    assert line.endswith("and 27 more")


def test_strict_makes_a_skipped_file_an_error(parts_with):
    assert "1 of 241 files could not be read: a.png is truncated" in refusal(
        *parts_with(skipped=[("a.png", "is truncated")]), strict=True
    )


@pytest.mark.parametrize(
    ("validation", "counted"), [((24, 25), 49), ((9, 200), 209), ((200, 9), 209), ((0, 100), 100), ((0, 0), 0)]
)
def test_a_validation_part_that_decides_nothing_is_refused(parts_with, validation, counted):
    words = refusal(*parts_with(validation=validation))
    assert f"validation set has {counted} images ({validation[0]} NORMAL, {validation[1]} PNEUMONIA)" in words
    assert "at least 50" in words


@pytest.mark.parametrize("validation", [(25, 25), (10, 200), (200, 10), (49, 50), (50, 49)])
def test_fewer_than_50_of_a_class_to_validate_on_are_a_warning(parts_with, validation):
    (finding,) = checked(*parts_with(validation=validation)).findings
    assert (finding.check, finding.severity, finding.count) == ("small-validation", "warning", sum(validation))
    assert f"{validation[0]} NORMAL, {validation[1]} PNEUMONIA" in finding.message
    assert "uncertain" in finding.message


@pytest.mark.parametrize(("part", "word"), [("train", "training"), ("test", "test")])
@pytest.mark.parametrize("counts", [(0, 40), (40, 0), (0, 0)])
def test_another_part_without_both_classes_is_refused(parts_with, part, word, counts):
    assert f"the {sum(counts)} images of the {word} set do not cover both classes" in refusal(*parts_with(**{part: counts}))


def test_the_smallest_validation_part_of_folds_is_found_once(parts_with):
    dataset, split = parts_with()
    small = Split(train=np.arange(110), validation=np.arange(110, 170), test=np.arange(170, 240))
    (finding,) = checked(dataset, split, small, small).findings
    assert (finding.check, finding.count) == ("small-validation", 60)


@pytest.fixture
def shared(dataset_of):
    """Make a data set with patients on both sides of a split: p0 in all parts, p100 in validation and test."""
    patients = [f"p{row}" for row in range(240)]
    patients[150] = "p0"  # a validation image of a training patient
    patients[200:202] = ["p0", "p100"]  # test images of a training and of a validation patient
    dataset = dataset_of([(row % 2, patient, None) for row, patient in enumerate(patients)])
    return dataset, Split(train=np.arange(80), validation=np.arange(80, 200), test=np.arange(200, 240))


def test_shared_patients_stop_with_number_examples_and_remedy(shared):
    words = refusal(*shared)
    assert "5 images belong to 2 patients with images on both sides of the split" in words
    assert "(00000, 00150, 00200, 00100, 00201)" in words
    assert "--split grouped" in words
    assert "--allow-leak" in words


def test_patients_on_both_sides_are_a_leak_of_a_run_that_goes_on(shared):
    found = checked(*shared, allow_leak=True)
    assert found.leaks == found.findings
    assert found.verdict == "1 finding: 5 shared-patients (leak)"


def test_paper_may_share_patients_with_a_warning(shared):
    found = checked(*shared, split_name="paper")
    assert found.leaks == ()
    assert found.verdict == "1 finding: 5 shared-patients (warning)"
    assert "say" in found.warnings[0]


def test_a_declared_leak_stops_with_its_reason(parts_with):
    dataset, split = parts_with()
    leaking = replace(dataset, leaks=("the ids are of images: set mapping=FILE",))
    words = refusal(leaking, split)
    assert "handmade: the ids are of images: set mapping=FILE. What to do: do what the dataset says there; or" in words
    found = checked(leaking, split, allow_leak=True)
    assert found.verdict == "1 finding: 240 declared-leak (leak)"
    assert checked(leaking, split, split_name="paper").verdict == "1 finding: 240 declared-leak (warning)"


def test_what_several_folds_share_is_counted_once(shared):
    dataset, split = shared
    turned = Split(train=split.test, validation=split.validation, test=split.train)
    (finding,) = checked(dataset, split, turned, split, allow_leak=True).findings
    assert finding.count == 5


def test_an_audit_is_the_same_after_it_was_stored(shared):
    found = checked(*shared, allow_leak=True)
    assert Audit.model_validate_json(found.model_dump_json()) == found


def test_absolute_keys_are_shortened_in_examples(shared):
    dataset, split = shared
    records = tuple(replace(record, key=f"/home/me/secret/images/{record.key}.png") for record in dataset.records)
    (finding,) = checked(replace(dataset, records=records), split, allow_leak=True).findings
    assert finding.examples[0] == "secret/images/00000.png"


def test_collections_that_share_images_are_warned_of(parts_with):
    dataset, split = parts_with()
    other = replace(dataset, name="ward", collections=("rsna",))
    (finding,) = checked(replace(dataset, collections=("nih",)), split, others=[other]).findings
    assert (finding.check, finding.severity, finding.count) == ("shared-collections", "warning", 240)
    assert finding.message == "ward is from rsna, which shares images with nih: ward may be no independent test set"
    (finding,) = checked(replace(dataset, collections=("rsna",)), split, others=[other]).findings
    assert finding.message == "both are from rsna: ward may be no independent test set"
    assert checked(replace(dataset, collections=("chexpert",)), split, others=[other]).findings == ()
