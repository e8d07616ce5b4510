from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cxrbench.data.audit.label_rates import LabelRate, label_rates, predictive_attributes
from cxrbench.data.columns import age_band
from cxrbench.plugin import ClassNames


@pytest.fixture
def attributed(dataset_of):
    """Make a data set of (label, value of an attribute) pairs."""

    def make(attribute, rows):
        dataset = dataset_of([(label, str(row), None) for row, (label, _) in enumerate(rows)])
        records = [replace(record, **{attribute: value}) for record, (_, value) in zip(dataset.records, rows, strict=True)]
        return replace(dataset, records=tuple(records))

    return make


def levels(*counts):
    """Return rows of (name, normal, pneumonia)."""
    return [(label, name) for name, *both in counts for label in (0, 1) for _ in range(both[label])]


@pytest.mark.parametrize("attribute", ["source", "site", "view", "sex", "split"])
def test_an_attribute_that_predicts_the_label_is_a_warning(attributed, attribute):
    names = ("train", "test") if attribute == "split" else ("one", "two")
    (finding,) = predictive_attributes(attributed(attribute, levels((names[0], 90, 10), (names[1], 20, 80))))
    assert (finding.check, finding.severity, finding.count) == ("label-rate", "warning", 2)
    assert f"{attribute} predicts the label: PNEUMONIA in 10% of 100 images of '{names[0]}' and in 80%" in finding.message


@pytest.mark.parametrize(
    "counts",
    [
        [("one", 50, 50), ("two", 50, 50)],
        [("one", 1341, 3875), ("two", 234, 390)],  # Kaggle's training and test parts
        [("one", 19, 0), ("two", 50, 50)],  # too few of one
        [("one", 25, 75)],
        [("one", 12, 10), ("two", 8, 15)],  # chance
        [("one", 0, 50), ("two", 0, 50)],
    ],
)
def test_rates_that_differ_by_chance_or_little_are_not_found(attributed, counts):
    assert list(predictive_attributes(attributed("source", levels(*counts)))) == []


def test_a_rare_source_of_pneumonia_alone_is_found(attributed):
    (finding,) = predictive_attributes(attributed("source", levels(("common", 2000, 1000), ("rare", 0, 40))))
    assert "100% of 40 images of 'rare'" in finding.message


def test_the_message_has_the_class_name_of_the_dataset(attributed):
    dataset = attributed("site", levels(("one", 90, 10), ("two", 20, 80)))
    (finding,) = predictive_attributes(replace(dataset, class_names=ClassNames(negative="clear", positive="effusion")))
    assert "site predicts the label: effusion in 10%" in finding.message


def test_an_attribute_that_is_missing_for_one_class_is_found(attributed):
    (finding,) = predictive_attributes(attributed("site", levels((None, 100, 0), ("Basel", 0, 100))))
    assert "'unknown'" in finding.message


def test_attributes_by_chance_are_next_to_never_found(attributed):
    generator = np.random.default_rng(0)
    found = 0
    for _ in range(300):
        rows = list(zip(generator.integers(0, 2, 400), generator.choice(["a", "b", "c"], 400), strict=True))
        found += len(list(predictive_attributes(attributed("view", rows))))
    assert found <= 2


def test_rates_are_counted_by_level_of_known_attributes(attributed):
    assert label_rates(attributed("sex", levels(("F", 3, 1), ("M", 0, 2), (None, 1, 0))).records) == (
        LabelRate(attribute="sex", level="F", images=4, positives=1),
        LabelRate(attribute="sex", level="M", images=2, positives=2),
        LabelRate(attribute="sex", level="unknown", images=1, positives=0),
    )


def test_ages_are_counted_in_bands(attributed):
    rates = label_rates(attributed("age", [(0, "1"), (1, "004Y"), (1, "30"), (0, "006M"), (1, "adult")]).records)
    assert [(rate.level, rate.images) for rate in rates] == [("0-4", 3), ("18-39", 1), ("adult", 1)]


@pytest.mark.parametrize(
    ("text", "band"),
    [
        *(("0", "0-4"), ("4.9", "0-4"), ("5", "5-17"), ("17 years", "5-17"), ("18", "18-39"), ("64", "40-64"), ("65", "65+")),
        *(("070Y", "65+"), ("030D", "0-4"), ("100W", "0-4"), ("6 months", "0-4"), ("old", "old"), ("40-50", "40-50")),
    ],
)
def test_ages_in_any_notation(text, band):
    assert age_band(text) == band
