from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cxrbench.data.decoding.facts import FileFacts
from cxrbench.data.split import default_split, split_dataset
from cxrbench.errors import ConfigError

SEEDS = st.integers(0, 2**31 - 1)
LABELS = st.integers(0, 1)
PARTS = ("train", "val", "test")
IMAGES = st.lists(st.tuples(LABELS, st.integers(0, 25).map(str), st.none()), min_size=1, max_size=60)
TAGGED = st.lists(st.tuples(LABELS, st.integers(0, 9), st.sampled_from((*PARTS, None))), min_size=1, max_size=60)


def parts_of(split):
    return split.train, split.validation, split.test


def split_once(dataset, name, seed):
    (split,) = split_dataset(dataset, name, seed)
    return split


def patients_of(dataset, rows):
    return set(dataset.patients[rows])


def with_own_patients(rows):
    """Give each part patients of its own, as a careful source does."""
    return [(label, f"{'test' if part == 'test' else 'rest'}-{patient}", part) for label, patient, part in rows]


def of_patients(sizes, part=None):
    """Return one row per image of patients with so many images, every fourth patient healthy."""
    return [(int(number % 4 > 0), f"p{number}", part) for number, size in enumerate(sizes) for _ in range(size)]


@given(rows=TAGGED, seed=SEEDS)
def test_official_keeps_the_test_rows_and_divides_no_patient(dataset_of, rows, seed):
    theirs = [row for row, (_, _, part) in enumerate(rows) if part == "test"]
    assume(theirs)
    dataset = dataset_of(with_own_patients(rows))
    split = split_once(dataset, "official", seed)
    assert split.test.tolist() == theirs
    assert sorted(np.concatenate(parts_of(split))) == list(range(len(rows)))
    for one, other in combinations(parts_of(split), 2):
        assert not patients_of(dataset, one) & patients_of(dataset, other)


@pytest.mark.parametrize(("name", "folds"), [("grouped", 1), ("paper", 1), ("official", 1), ("grouped", 5)])
def test_a_seed_decides_the_split(dataset_of, name, folds):
    dataset = dataset_of([*of_patients([1, 2, 3] * 30, "train"), (1, "test", "test")])
    made = [
        [part.tolist() for split in split_dataset(dataset, name, seed, folds) for part in parts_of(split)]
        for seed in (5, 5, 6, 7)
    ]
    assert made[0] == made[1]
    assert made[0] != made[2] != made[3] != made[0]


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=60), seed=SEEDS)
def test_grouped_holds_out_15_percent_of_the_patients_twice(dataset_of, sizes, seed):
    dataset = dataset_of(of_patients(sizes))
    train, validation, test = (len(patients_of(dataset, part)) for part in parts_of(split_once(dataset, "grouped", seed)))
    assert abs(test - 0.15 * len(sizes)) < 1
    assert abs(validation - 0.15 / 0.85 * (train + validation)) < 1


def test_grouped_holds_out_about_15_percent_of_either_class(dataset_of):
    dataset = dataset_of(of_patients([1, 2, 3] * 200))
    split = split_once(dataset, "grouped", 0)
    for part in (split.validation, split.test):
        for label in (0, 1):
            everyone = set(dataset.patients[dataset.labels == label])
            assert abs(len(everyone & patients_of(dataset, part)) / len(everyone) - 0.15) < 0.01


@given(labels=st.lists(LABELS, min_size=1, max_size=100), seed=SEEDS)
def test_paper_holds_out_15_percent_of_each_class_to_one_image(dataset_of, labels, seed):
    split = split_once(dataset_of([(label, "the one patient", None) for label in labels]), "paper", seed)
    everything = np.array(labels)
    for label in (0, 1):
        train, validation, test = (np.count_nonzero(everything[part] == label) for part in parts_of(split))
        assert abs(test - 0.15 * (train + validation + test)) <= 1
        assert abs(validation - 0.15 / 0.85 * (train + validation)) <= 1


def test_paper_lets_a_patient_fall_on_all_sides(dataset_of):
    dataset = dataset_of([(row % 2, "the one patient", None) for row in range(100)])
    assert all(patients_of(dataset, part) == {"the one patient"} for part in parts_of(split_once(dataset, "paper", 0)))


def test_a_patients_number_of_images_does_not_decide_their_part(dataset_of):
    sizes = [1, 1, 2, 3, 5, 30] * 8
    dataset = dataset_of(of_patients(sizes))
    first_row = np.cumsum([0, *sizes[:-1]])
    seeds = 1200
    rates = np.zeros((2, len(sizes)))
    for seed in range(seeds):
        split = split_once(dataset, "grouped", seed)
        rates += [np.isin(first_row, split.validation), np.isin(first_row, split.test)]
    rates /= seeds
    tolerance = 4.5 * np.sqrt(0.15 * 0.85 / seeds)
    assert np.abs(rates - 0.15).max() < tolerance
    for size in set(sizes):
        assert np.abs(rates[:, np.array(sizes) == size].mean(axis=1) - 0.15).max() < tolerance / 2


def test_official_merges_kaggles_validation_part_of_16_images(dataset_of):
    rows = of_patients([2] * 300, "train")
    rows += [(number % 2, f"val-{number}", "val") for number in range(16)]
    rows += [(number % 2, f"test-{number}", "test") for number in range(40)]
    dataset = dataset_of(rows)
    split = split_once(dataset, "official", 0)
    assert split.test.tolist() == list(range(616, 656))
    assert set(range(600, 616)) & set(split.train)
    patients = len(patients_of(dataset, split.train)), len(patients_of(dataset, split.validation))
    assert sum(patients) == 316
    assert abs(patients[1] - 0.15 / 0.85 * 316) < 1


@pytest.mark.parametrize(("count", "kept"), [(99, False), (100, True)])
def test_official_keeps_a_validation_part_from_100_images(dataset_of, count, kept):
    rows = [
        (row % 2, f"{part}-{row}", part) for part, size in (("train", 200), ("val", count), ("test", 30)) for row in range(size)
    ]
    split = split_once(dataset_of(rows), "official", 3)
    assert (split.validation.tolist() == list(range(200, 200 + count))) is kept
    if kept:
        assert split.train.tolist() == list(range(200))


def test_official_resplits_validation_that_shares_a_patient(dataset_of):
    rows = [(row % 2, f"p{row}", "train" if row < 300 else "val" if row < 420 else "test") for row in range(500)]
    kept = split_once(dataset_of(rows), "official", 0)
    assert kept.validation.tolist() == list(range(300, 420))
    rows[300] = (0, "p0", "val")
    cut = split_once(dataset_of(rows), "official", 0)
    assert cut.validation.tolist() != kept.validation.tolist()
    assert cut.test.tolist() == kept.test.tolist() == list(range(420, 500))
    assert len({0, 300}.intersection(cut.validation.tolist())) in {0, 2}


def test_official_without_a_test_part_offers_grouped(dataset_of):
    with pytest.raises(ConfigError, match="handmade has no test set of its own; use --split grouped"):
        split_once(dataset_of([(0, "a", "train"), (1, "b", "val"), (1, "c", None)]), "official", 0)


@pytest.mark.parametrize(("parts", "expected"), [((None, None), "grouped"), (("train", "val"), "grouped"), (PARTS, "official")])
def test_the_default_follows_the_source(dataset_of, parts, expected):
    assert default_split(dataset_of([(0, "a", part) for part in parts]).records) == expected


FOLDS = st.integers(2, 6)


def copied(dataset, images):
    """Give images the pixels of the numbered images: images of one image have the same pixels."""
    facts = [FileFacts(bits=8, colour=False, width=9, height=9, pixels=str(image)) for image in images]
    return replace(dataset, files=tuple(facts))


def enough_groups(dataset, folds):
    assume(len(set(dataset.groups)) >= folds)


@given(rows=IMAGES, seed=SEEDS, data=st.data())
def test_no_group_of_patients_and_equal_images_is_divided(dataset_of, rows, seed, data):
    images = data.draw(st.lists(st.integers(0, 40), min_size=len(rows), max_size=len(rows)))
    dataset, folds = copied(dataset_of(rows), images), data.draw(st.integers(1, 6))
    enough_groups(dataset, folds)
    for split in split_dataset(dataset, "grouped", seed, folds):
        for one, other in combinations(parts_of(split), 2):
            assert not set(dataset.groups[one]) & set(dataset.groups[other])
            assert not patients_of(dataset, one) & patients_of(dataset, other)
            assert not set(dataset.image_groups[one]) & set(dataset.image_groups[other])


@given(rows=TAGGED, seed=SEEDS, data=st.data())
def test_the_validation_part_that_official_cuts_divides_no_group(dataset_of, rows, seed, data):
    assume(any(part == "test" for _, _, part in rows))
    images = data.draw(st.lists(st.integers(0, 40), min_size=len(rows), max_size=len(rows)))
    dataset = copied(dataset_of(rows), images)
    split = split_once(dataset, "official", seed)
    assert not set(dataset.groups[split.train]) & set(dataset.groups[split.validation])


@pytest.mark.parametrize("name", ["grouped", "paper"])
@given(rows=IMAGES, seed=SEEDS, folds=st.integers(1, 6))
def test_every_row_is_in_one_test_set_and_in_one_set_per_fold(dataset_of, name, rows, seed, folds):
    dataset = dataset_of(rows)
    enough_groups(dataset, folds)
    splits = split_dataset(dataset, name, seed, folds)
    assert len(splits) == folds
    if folds > 1:
        assert sorted(np.concatenate([split.test for split in splits])) == list(range(len(rows)))
        assert all(len(split.test) for split in splits)
    for split in splits:
        assert sorted(np.concatenate(parts_of(split))) == list(range(len(rows)))
        assert all(np.array_equal(part, np.sort(part)) for part in parts_of(split))


@given(sizes=st.lists(st.integers(1, 8), min_size=40, max_size=80), seed=SEEDS, folds=FOLDS)
def test_folds_are_alike_in_size_and_label(dataset_of, sizes, seed, folds):
    dataset = dataset_of(of_patients(sizes))
    tests = [split.test for split in split_dataset(dataset, "grouped", seed, folds)]
    for label in (0, 1):
        counts = [np.count_nonzero(dataset.labels[test] == label) for test in tests]
        assert max(counts) - min(counts) <= 3 * max(sizes)
    patients = [len(patients_of(dataset, test)) for test in tests]
    assert max(patients) - min(patients) <= 1


@given(sizes=st.lists(st.integers(1, 5), min_size=20, max_size=60), seed=SEEDS, folds=FOLDS)
def test_each_fold_validates_on_the_same_share_of_the_rest(dataset_of, sizes, seed, folds):
    dataset = dataset_of(of_patients(sizes))
    for split in split_dataset(dataset, "grouped", seed, folds):
        train, validation = (len(patients_of(dataset, part)) for part in (split.train, split.validation))
        assert abs(validation - 0.15 / 0.85 * (train + validation)) < 1


def test_official_has_no_folds(dataset_of):
    with pytest.raises(ConfigError, match=r"--folds 5: --split official has one fixed test set; use --split grouped"):
        split_dataset(dataset_of([(0, "a", "train"), (1, "b", "test")]), "official", 0, 5)


@pytest.mark.parametrize("folds", [0, -1, 4])
def test_too_many_folds_are_an_error_with_the_allowed_range(dataset_of, folds):
    with pytest.raises(ConfigError, match=f"--folds {folds}: handmade has 3 groups of images; expected 1 to 3 folds"):
        split_dataset(dataset_of([(0, "a", None), (1, "b", None), (1, "b", None), (0, "c", None)]), "grouped", 0, folds)


def test_patients_that_share_images_are_one_group_transitively(dataset_of):
    dataset = copied(dataset_of([(0, patient, None) for patient in "abbccde"]), [1, 1, 2, 2, 3, 4, 5])
    assert dataset.groups.tolist() == [0, 0, 0, 0, 0, 1, 2]
