from __future__ import annotations

from itertools import product

import pytest

from cxrbench.plugin import ClassNames, DataError, UnknownName
from cxrbench_collections.labels import LabelRule, find_finding, value_of

RULES = ("positive-only", "uncertain-as-positive", "uncertain-as-negative")
KNOWN = ("Edema", "Lung Opacity", "No Finding", "Pneumonia")


@pytest.mark.parametrize(("uncertain", "negatives"), list(product(RULES, ("no-finding", "all"))))
def test_each_rule_decides_every_value(uncertain, negatives):
    rule = LabelRule(finding="Edema", negatives=negatives, uncertain=uncertain)

    def label(value, *, is_normal=False):
        answer = rule.answer(value, is_normal=is_normal)
        return None if isinstance(answer, str) else answer

    assert label(1) == label(1, is_normal=True) == 1
    assert label(-1) == {"positive-only": None, "uncertain-as-positive": 1, "uncertain-as-negative": 0}[uncertain]
    assert label(0, is_normal=True) == label(None, is_normal=True) == 0
    assert label(0) == label(None) == (0 if negatives == "all" else None)


def test_an_image_that_is_left_out_says_why():
    rule = LabelRule(finding="Edema", negatives="no-finding")
    assert rule.answer(-1, is_normal=False) == "where Edema is uncertain (label=positive-only)"
    assert rule.answer(0, is_normal=False) == "with neither Edema nor No Finding (negatives=no-finding)"


def test_classes_are_named_by_the_rule():
    assert LabelRule(finding="Edema", negatives="no-finding").class_names == ClassNames(negative="No Finding", positive="Edema")
    assert LabelRule(finding="Edema", negatives="all").class_names == ClassNames(negative="no Edema", positive="Edema")


@pytest.mark.parametrize(
    ("cell", "value"), [("1.0", 1), ("1", 1), ("0.0", 0), ("0", 0), ("-1.0", -1), ("-1", -1), ("", None), (" 1.0 ", 1)]
)
def test_cells_are_values(cell, value):
    assert value_of(cell, "here") == value


@pytest.mark.parametrize("cell", ["2", "0.5", "yes", "nan"])
def test_a_cell_that_is_no_label_is_refused(cell):
    with pytest.raises(DataError, match=f"here: a label is '{cell}', expected 1, 0, -1 or nothing"):
        value_of(cell, "here")


@pytest.mark.parametrize("asked", ["Lung Opacity", "lung opacity", " LUNG OPACITY"])
def test_a_finding_is_found_in_any_case(asked):
    assert find_finding(asked, KNOWN, "No Finding") == "Lung Opacity"


@pytest.mark.parametrize("asked", ["Pneumonias", "No Finding", ""])
def test_an_unknown_finding_is_answered_with_the_list(asked):
    with pytest.raises(UnknownName, match=r"The findings of this table are Edema, Lung Opacity, Pneumonia$"):
        find_finding(asked, KNOWN, "No Finding")
    with pytest.raises(UnknownName, match="did you mean Pneumonia"):
        find_finding("Pneumonai", KNOWN, "No Finding")


def test_of_many_findings_the_first_are_listed():
    with pytest.raises(UnknownName, match=r"label 39 and 5 more$"):
        find_finding("x", [f"label {number}" for number in range(45)], "normal")
