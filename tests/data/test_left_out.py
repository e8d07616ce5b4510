"""Groups of a column, left out one by one: every law of the split, and the groups that are not tested."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrbench.config.protocol import Protocol
from cxrbench.data.columns import with_columns_of
from cxrbench.data.dataset import catalogue_images
from cxrbench.data.decoding.facts import FileFacts
from cxrbench.data.split import expected_parts, leave_out, split_dataset, split_warnings
from cxrbench.errors import ConfigError

SITES = ("", "A", "B", "C")
COUNTS = st.lists(st.tuples(st.integers(0, 260), st.integers(0, 260)), min_size=1, max_size=len(SITES))


@pytest.fixture(scope="session")
def of_sites(dataset_of):
    """Make a data set of (site, negative images, positive images), each image of a patient of its own."""

    def make(*sites):
        rows = [(label, site) for site, *both in sites for label in (0, 1) for _ in range(both[label])]
        dataset = dataset_of([(label, f"p{row}", None) for row, (label, _) in enumerate(rows)])
        records = (replace(record, site=site or None) for record, (_, site) in zip(dataset.records, rows, strict=True))
        return replace(dataset, records=tuple(records))

    return make


def with_patients(dataset, patients):
    records = (replace(record, patient=f"p{one}") for record, one in zip(dataset.records, patients, strict=True))
    return replace(dataset, records=tuple(records))


def parts_of(split):
    return split.train, split.validation, split.test


def sites_of(dataset, rows):
    return {dataset.records[row].site for row in rows}


@given(counts=COUNTS, seed=st.integers(0, 2**31 - 1), shared=st.sampled_from([0.0, 0.02, 0.5]))
@settings(max_examples=40)
def test_no_patient_is_divided_and_each_tested_image_is_tested_once(of_sites, counts, seed, shared):
    dataset = of_sites(*((site, *both) for site, both in zip(SITES, counts, strict=False)))
    generator = np.random.default_rng(seed)
    alone = generator.random(len(dataset.records)) >= shared
    dataset = with_patients(dataset, np.where(alone, np.arange(len(alone)), -generator.integers(1, 9, len(alone))))
    try:
        found = leave_out(dataset, "site", seed)
    except ConfigError:
        return
    tested = np.concatenate([split.test for split in found.splits])
    assert len(set(tested.tolist())) == len(tested)
    for split in found.splits:
        assert sites_of(dataset, split.test) == {split.group}
        assert len(split.test) == sum(record.site == split.group for record in dataset.records)
        for one, other in combinations(parts_of(split), 2):
            assert not set(dataset.groups[one]) & set(dataset.groups[other])
        unused = set(range(len(dataset.records))) - set(np.concatenate(parts_of(split)).tolist())
        assert len(unused) == found.divided.get(split.group, 0)
        assert set(dataset.patients[list(unused)]) <= set(dataset.patients[split.test])
        train, validation, test = (np.bincount(dataset.labels[part], minlength=2) for part in parts_of(split))
        assert min(test) >= 10
        assert min(validation) >= 10
        assert sum(validation) >= 50
        assert min(train) > 0


def test_a_group_with_9_images_of_a_class_is_not_tested(of_sites):
    dataset = of_sites(("A", 300, 300), ("B", 9, 200), ("C", 10, 10), ("", 1, 2))
    found = leave_out(dataset, "site", 0)
    assert [split.group for split in found.splits] == ["C"]  # without A, too few are left
    warnings = " ".join(split_warnings(dataset, "left-out:by=site", 0))
    assert "site B is not tested: it has 9 NORMAL and 200 PNEUMONIA images, and a test needs 10 of each class" in warnings
    assert "images without a known site, which are never tested and only train and validate: 3" in warnings
    (of_c,) = (split for split in found.splits if split.group == "C")
    assert sites_of(dataset, np.concatenate([of_c.train, of_c.validation])) == {"A", "B", None}


def test_a_group_without_which_too_few_are_left_is_not_tested(of_sites):
    dataset = of_sites(("A", 400, 400), ("B", 40, 40), ("C", 40, 40))
    assert [split.group for split in split_dataset(dataset, "left-out:by=site", 0)] == ["B", "C"]
    (warning,) = split_warnings(dataset, "left-out:by=site", 0)
    assert warning.startswith("site A is not tested: without it, there are ")


def test_images_of_a_patient_in_two_groups_are_not_used(of_sites):
    dataset = of_sites(("A", 200, 200), ("B", 200, 200))
    patients = np.arange(800)
    patients[[0, 1, 400]] = 999  # two images in A, one in B
    first, second = split_dataset(with_patients(dataset, patients), "left-out:by=site", 0)
    assert (first.group, second.group) == ("A", "B")
    assert {0, 1} <= set(first.test)
    assert 400 not in np.concatenate([first.train, first.validation])
    assert not {0, 1} & set(np.concatenate([second.train, second.validation]).tolist())
    copied = replace(dataset, files=tuple(facts(str(row % 799)) for row in range(800)))  # the last is a copy of the first
    first, _ = split_dataset(copied, "left-out:by=site", 0)
    assert 799 not in np.concatenate(parts_of(first))


def facts(pixels):
    return FileFacts(bits=8, colour=False, width=9, height=9, pixels=pixels)


def test_no_group_that_can_be_tested_is_an_error_with_the_reasons(of_sites):
    with pytest.raises(ConfigError, match=r"--split left-out:by=site: handmade has no group.*A: it has 9 NORMAL and 300"):
        split_dataset(of_sites(("A", 9, 300), ("B", 5, 1)), "left-out:by=site", 0)
    with pytest.raises(ConfigError, match=r"has no group that can be tested\. its value is unknown for all images"):
        split_dataset(of_sites(("", 200, 300)), "left-out:by=site", 0)


def test_a_seed_decides_the_validation_part_alone(of_sites):
    dataset = of_sites(("A", 200, 200), ("B", 200, 200))
    made = [[part.tolist() for part in parts_of(split_dataset(dataset, "left-out:by=site", seed)[0])] for seed in (1, 1, 2)]
    assert made[0] == made[1]
    assert made[0][1] != made[2][1]
    assert made[0][2] == made[2][2]


def test_ages_are_taken_in_bands_in_their_order(of_sites):
    dataset = of_sites(("A", 400, 400))
    ages = ("004Y", "17", "018Y", "41.5", "065Y", "100", "11M")
    records = tuple(replace(record, age=ages[row % 7]) for row, record in enumerate(dataset.records))
    found = split_dataset(replace(dataset, records=records), "left-out:by=age", 0)
    assert [split.group for split in found] == ["0-4", "5-17", "18-39", "40-64", "65+"]
    assert {dataset.records[row].key for row in found[0].test} == {
        record.key for record in records if record.age in {"004Y", "11M"}
    }


def test_the_expected_parts_are_those_of_the_tested_groups(of_sites):
    dataset = of_sites(("A", 200, 300), ("B", 220, 280), ("C", 3, 3))
    protocol = Protocol(
        **{
            "dataset": "d",
            "fingerprint": "",
            "split": "left-out:by=site",
            "folds": 2,
            "left_out": ("A", "B"),
            "engine": "optuna",
        },
        **{"image_size": 32, "resize": "stretch", "seed": 0, "trials": 1, "metric": "auc", "threshold": "max-f1"},
        **{"epochs": 1, "batch_size": 8, "patience": 1},
    )
    expected = np.array(expected_parts(dataset.records, protocol))
    assert expected[2].tolist() == [210, 290]
    assert expected.sum(axis=0).tolist() == [423, 583]


def listed(images_of, columns):
    images = images_of({f"{row}.png": b"" for row in range(len(columns))})
    records = [replace(record, columns=tuple(one.items())) for record, one in zip(images.records, columns, strict=True)]
    return replace(images, records=records)


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (
            "left-out",
            r"--split left-out: say by which column, as in --split left-out:by=scanner.*scanner \(2 groups\), exam \(30",
        ),
        ("left-out:by=scaner", r"unknown column 'scaner': did you mean scanner\? Columns of handmade: scanner \(2 groups\)"),
        ("left-out:by=exam", "--split left-out:by=exam: 30 groups; at most 20 can be left out"),
        ("left-out:by=site", "unknown column 'site'"),
    ],
)
def test_a_column_that_cannot_be_used_is_named_with_all_others(images_of, split, words):
    images = listed(images_of, [{"Scanner": f"S{row % 2}", "exam": str(row)} for row in range(30)])
    with pytest.raises(ConfigError, match=words):
        with_columns_of(images, split)


def test_only_the_column_of_the_split_is_part_of_the_fingerprint(images_of, decoding):
    plain, two, three = (listed(images_of, [one] * 4) for one in ({}, {"scanner": "S", "exam": "1"}, {"scanner": "T"}))
    prints = {
        (name, split): catalogue_images(with_columns_of(images, split), decoding).fingerprint
        for name, images in (("plain", plain), ("two", two), ("three", three))
        for split in (None, "grouped", *(["left-out:by=scanner"] * (name != "plain")))
    }
    assert len({value for (_, split), value in prints.items() if split != "left-out:by=scanner"}) == 1
    assert len({value for (_, split), value in prints.items() if split == "left-out:by=scanner"} | {prints["plain", None]}) == 3


def test_column_names_are_compared_without_case(images_of):
    kept = with_columns_of(listed(images_of, [{"Scan  Room": f" {row} ", "x": "y"} for row in (1, 2)]), "left-out:by=scan room")
    assert [record.columns for record in kept.records] == [(("Scan  Room", " 1 "),), (("Scan  Room", " 2 "),)]
