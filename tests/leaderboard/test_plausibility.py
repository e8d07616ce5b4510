from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cxrbench.evaluation.metrics import confusion, metrics
from cxrbench.evaluation.rates import rates
from cxrbench.leaderboard.store.plausibility import CHECKED, contradicts_confusion, impossible

RATES = tuple(name for name in CHECKED if name != "auc")


@st.composite
def matrices(draw, largest=400):
    """Draw tp, fp, fn, tn with both classes present."""
    positives, negatives = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    tp, fp = draw(st.integers(0, positives)), draw(st.integers(0, negatives))
    return {"tp": tp, "fp": fp, "fn": positives - tp, "tn": negatives - fp}


def rates_of(matrix):
    found = rates(matrix["tp"], matrix["fp"], matrix["tp"] + matrix["fn"], matrix["fp"] + matrix["tn"])
    return {name: float(value) for name, value in found.items()}


REPORT = [
    ("ResNet50", {"accuracy": 0.928, "recall": 0.966, "precision": 0.927}, 3),
    ("InceptionV3", {"accuracy": 0.764, "precision": 0.2619}, {"accuracy": 3, "precision": 4}),
    ("VGG16", {"accuracy": 0.636, "precision": 0.2576}, {"accuracy": 3, "precision": 4}),
]


@pytest.mark.parametrize(("backbone", "reported", "decimals"), REPORT, ids=[row[0] for row in REPORT])
@pytest.mark.parametrize("size", [782, 783])
@pytest.mark.parametrize("positives", [581, 582])
def test_the_report_that_the_project_started_from_is_refused(backbone, reported, decimals, size, positives):
    found = impossible(reported, size=size, positives=positives, decimals=decimals)
    assert found.startswith(f"no confusion matrix of {size} test images, {positives} of them positive, has accuracy 0.")
    assert impossible(reported, size=size, positives=positives, decimals=3)


def test_the_sentence_names_no_more_than_it_must():
    assert impossible({"accuracy": 0.75, "recall": 1.0}, size=10, positives=5, decimals=2) == (
        "no confusion matrix of 10 test images, 5 of them positive, has accuracy 0.75"
    )
    assert impossible({"accuracy": 0.5, "recall": 1.0, "specificity": 0.8}, size=10, positives=5, decimals=2) == (
        "no confusion matrix of 10 test images, 5 of them positive, has accuracy 0.5 together with recall 1"
        " together with specificity 0.8"
    )


@given(matrices(), st.integers(2, 6), st.booleans(), st.sets(st.sampled_from(RATES), min_size=1))
def test_a_real_confusion_matrix_passes(matrix, decimals, known, names):
    reported = {name: round(value, decimals) for name, value in rates_of(matrix).items() if name in names}
    positives = matrix["tp"] + matrix["fn"] if known else None
    assert impossible(reported, size=sum(matrix.values()), positives=positives, decimals=decimals) == ""


@given(matrices(5000))
def test_a_real_confusion_matrix_passes_in_full_precision(matrix):
    assert impossible(rates_of(matrix), size=sum(matrix.values()), positives=matrix["tp"] + matrix["fn"]) == ""


@given(
    st.integers(2, 9),
    st.dictionaries(st.sampled_from(RATES), st.integers(0, 100).map(lambda percent: percent / 100), min_size=1, max_size=3),
    st.integers(1, 2),
)
@example(5, {"precision": 0.0, "f1": 0.0}, 1)
def test_what_passes_is_what_trying_all_matrices_says(size, reported, decimals):
    def fits(matrix):
        found = rates_of(matrix)
        return all(abs(found[name] - value) <= 0.5 * 10**-decimals + 1e-9 for name, value in reported.items())

    def any_fits(positives):
        negatives = size - positives
        counts = [(tp, fp) for tp in range(positives + 1) for fp in range(negatives + 1)]
        return any(fits({"tp": tp, "fp": fp, "fn": positives - tp, "tn": negatives - fp}) for tp, fp in counts)

    by_positives = {positives: any_fits(positives) for positives in range(1, size)}
    assert (impossible(reported, size=size, decimals=decimals) == "") == any(by_positives.values())
    for positives, expected in by_positives.items():
        assert (impossible(reported, size=size, positives=positives, decimals=decimals) == "") == expected


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 10)), min_size=2, max_size=60).filter(
        lambda rows: 0 < sum(label for label, _ in rows) < len(rows)
    ),
    st.integers(0, 11),
    st.sampled_from([None, 2, 3, 4]),
)
def test_a_real_scored_test_set_passes(rows, threshold, decimals):
    labels, scores = np.array(rows).T
    exact = metrics(labels, scores / 10, threshold / 10)
    reported = exact if decimals is None else {name: round(value, decimals) for name, value in exact.items()}
    assert impossible(reported, size=len(rows), positives=int(labels.sum()), decimals=decimals) == ""
    assert contradicts_confusion(exact, **confusion(labels, scores / 10, threshold / 10)) == ""


def test_an_auc_is_a_whole_number_of_half_pairs():
    assert impossible({"auc": 0.9}, size=4, positives=2) == (
        "no confusion matrix of 4 test images, 2 of them positive, has auc 0.9"
    )
    assert impossible({"auc": 0.875}, size=4, positives=2) == ""


@pytest.mark.parametrize(("area", "possible"), [(0.80, False), (0.82, True), (0.98, True), (0.995, False)])
def test_an_roc_curve_passes_through_the_chosen_threshold(area, possible):
    """Sensitivity 0.9 at specificity 0.9: an area of at least 0.81 and at most 0.99."""
    found = impossible({"recall": 0.9, "specificity": 0.9, "auc": area}, size=200, positives=100, decimals=3)
    assert (found == "") == possible
    matrix = contradicts_confusion({"auc": area}, tp=90, fp=10, fn=10, tn=90)
    assert (matrix == "") == possible
    if not possible:
        assert "no ROC curve through 90 TP, 10 FP, 10 FN and 90 TN" in matrix


@pytest.mark.parametrize("value", [1.2, -0.1, float("nan")])
def test_a_share_lies_between_0_and_1(value):
    assert impossible({"f1": value}, size=10) == f"f1 {value:g} is not in 0..1"


def test_other_metrics_are_not_looked_at():
    assert impossible({"brier": 7.0, "ece": -1.0}, size=10) == ""


@pytest.mark.parametrize("positives", [0, 10, 11])
def test_both_classes_are_needed(positives):
    assert "has both classes" in impossible({}, size=10, positives=positives)
    assert impossible({"accuracy": 0.5}, size=10, positives=positives)


def test_an_altered_number_contradicts_its_confusion_matrix():
    matrix = {"tp": 380, "fp": 30, "fn": 10, "tn": 204}
    true = rates_of(matrix)
    assert contradicts_confusion(true, **matrix) == ""
    for name, value in true.items():
        found = contradicts_confusion({**true, name: value + 0.001}, **matrix)
        assert found.startswith(f"{name} is {value + 0.001:.6g}, but 380 TP, 30 FP, 10 FN and 204 TN make")
    assert contradicts_confusion({"accuracy": float("nan")}, **matrix)
    assert "one class only" in contradicts_confusion({}, tp=1, fp=0, fn=0, tn=0)


def test_ten_thousand_images_are_searched_quickly():
    start = time.perf_counter()
    assert impossible({"accuracy": 0.764, "precision": 0.2619, "f1": 0.8}, size=10_000, positives=7400, decimals=4)
    assert impossible({"precision": 0.2619, "f1": 0.8}, size=10_000, decimals=4)
    assert time.perf_counter() - start < 30
