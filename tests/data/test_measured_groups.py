"""The groups by which test images are also measured: from age, sex, view and site, where these make groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.data.columns import MEASURED, UNKNOWN, groups_among, measured_groups
from cxrbench.plugin.contracts import Record

RECORD = Record(key="0.png", label=0, patient="p")
VALUES = st.sampled_from([None, "", "F", " F ", "M", "Unknown", "45", "045Y", "7 M"])


def records(**values):
    """Return a record for each value of a column."""
    ((column, listed),) = values.items()
    return [replace(RECORD, key=f"{row}.png", **{column: value}) for row, value in enumerate(listed)]


def test_ages_are_in_bands_and_other_values_as_written():
    groups, warnings = measured_groups(records(age=["4", "045Y", "006M", "66", "", None, "17"]))
    assert {column: values.tolist() for column, values in groups.items()} == {
        "age": ["0-4", "40-64", "0-4", "65+", UNKNOWN, UNKNOWN, "5-17"]
    }
    assert warnings == ()
    groups, _ = measured_groups(records(site=["St  Anna", "St Anna", "ward 2", "unknown", "UNKNOWN"]))
    assert groups["site"].tolist() == ["St Anna", "St Anna", "ward 2", UNKNOWN, UNKNOWN]


@pytest.mark.parametrize(
    "values", [["F", "F"], ["F", None, "F"], [None, None], ["a", "b", "c"], ["a", None, "b"], ["unknown", "F", "F"]]
)
def test_equal_values_and_one_for_each_image_make_no_groups(values):
    assert measured_groups(records(sex=values)) == ({}, ())


def test_columns_with_many_groups_or_long_names_are_named():
    groups, (warning,) = measured_groups(records(site=[f"ward {row // 2}" for row in range(42)]))
    assert groups == {}
    assert warning.startswith("no metrics by site: it makes 21 groups. There may be 20")
    assert measured_groups(records(view=["PA", "x" * 101, "PA"]))[1]
    assert not measured_groups(records(view=["PA", "x" * 100, "PA"]))[1]


def test_other_columns_are_not_looked_at():
    made = [replace(RECORD, source=name, columns=(("scanner", name),)) for name in "aabb"]
    assert measured_groups(made) == ({}, ())


@given(values=st.lists(VALUES, min_size=1, max_size=12))
def test_every_image_is_in_one_group(values):
    for column in MEASURED:
        groups, _ = measured_groups(records(**{column: values}))
        for of_images in groups.values():
            assert len(of_images) == len(values)
            assert set(of_images.tolist()) == set(groups_among(of_images))


def test_groups_are_in_natural_order_and_the_unknown_last():
    found = groups_among(np.array(["65+", UNKNOWN, "5-17", "0-4", "18-39", "5-17"]))
    assert found == ["0-4", "5-17", "18-39", "65+", UNKNOWN]
    assert groups_among(np.array(["F", UNKNOWN])) == []
