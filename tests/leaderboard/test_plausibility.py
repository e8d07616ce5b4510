from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.evaluation.metrics import confusion, metrics
from cxrbench.evaluation.rates import rates
from cxrbench.leaderboard.store.plausibility import contradicts_confusion


def rates_of(matrix):
    found = rates(matrix["tp"], matrix["fp"], matrix["tp"] + matrix["fn"], matrix["fp"] + matrix["tn"])
    return {name: float(value) for name, value in found.items()}


@st.composite
def matrices(draw, largest=5000):
    """Draw tp, fp, fn, tn with both classes present."""
    positives, negatives = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    tp, fp = draw(st.integers(0, positives)), draw(st.integers(0, negatives))
    return {"tp": tp, "fp": fp, "fn": positives - tp, "tn": negatives - fp}


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 10)), min_size=2, max_size=60).filter(
        lambda rows: 0 < sum(label for label, _ in rows) < len(rows)
    ),
    st.integers(0, 11),
)
def test_the_metrics_of_a_scored_test_set_pass(rows, threshold):
    labels, scores = np.array(rows).T
    found = metrics(labels, scores / 10, threshold / 10)
    assert contradicts_confusion(found, **confusion(labels, scores / 10, threshold / 10)) == ""


@given(matrices())
def test_lowest_and_highest_area_of_a_matrix_pass(matrix):
    tp, fp, fn, tn = (matrix[name] for name in ("tp", "fp", "fn", "tn"))
    pairs = (tp + fn) * (fp + tn)
    for halves in (2 * tp * tn, 2 * pairs - 2 * fp * fn):
        assert contradicts_confusion({**rates_of(matrix), "auc": halves / (2 * pairs)}, **matrix) == ""


@given(matrices(1000))
def test_areas_beyond_those_of_a_matrix_are_refused(matrix):
    tp, fp, fn, tn = (matrix[name] for name in ("tp", "fp", "fn", "tn"))
    pairs = (tp + fn) * (fp + tn)
    for halves in (2 * tp * tn - 1, 2 * pairs - 2 * fp * fn + 1):
        assert "no ROC curve" in contradicts_confusion({"auc": halves / (2 * pairs)}, **matrix)


def test_an_altered_rate_is_refused_with_the_true_one():
    matrix = {"tp": 380, "fp": 30, "fn": 10, "tn": 204}
    true = rates_of(matrix)
    assert set(true) == {"accuracy", "recall", "sensitivity", "precision", "f1", "specificity", "balanced-accuracy"}
    assert contradicts_confusion(true, **matrix) == ""
    for name, value in true.items():
        found = contradicts_confusion({**true, name: value + 0.001}, **matrix)
        assert found == f"{name} is {value + 0.001:.6g}, but 380 TP, 30 FP, 10 FN and 204 TN make {value:.6g}"


@pytest.mark.parametrize(("area", "possible"), [(0.80, False), (0.82, True), (0.98, True), (0.995, False)])
def test_an_roc_curve_passes_through_the_operating_point(area, possible):
    """Sensitivity 0.9 at specificity 0.9: an area of at least 0.81 and at most 0.99."""
    found = contradicts_confusion({"auc": area}, tp=90, fp=10, fn=10, tn=90)
    assert (found == "") == possible
    if not possible:
        assert found == f"auc is {area:.6g}, but no ROC curve through 90 TP, 10 FP, 10 FN and 90 TN has that area"


def test_an_auc_is_a_whole_number_of_half_pairs():
    matrix = {"tp": 1, "fp": 0, "fn": 1, "tn": 2}
    assert contradicts_confusion({"auc": 0.875}, **matrix) == ""
    assert "auc is 0.9, but no ROC curve" in contradicts_confusion({"auc": 0.9}, **matrix)


@pytest.mark.parametrize("name", ["accuracy", "f1", "auc"])
@pytest.mark.parametrize("value", [1.2, -0.1, float("nan")])
def test_a_metric_outside_0_to_1_is_refused(name, value):
    found = contradicts_confusion({name: value}, tp=2, fp=0, fn=0, tn=2)
    assert found.startswith(f"{name} is {value:.6g}, but ")


def test_metrics_that_need_the_scores_are_ignored():
    assert contradicts_confusion({"brier": 7.0, "ece": -1.0}, tp=2, fp=1, fn=0, tn=2) == ""


@pytest.mark.parametrize("matrix", [{"tp": 1, "fn": 0, "fp": 0, "tn": 0}, {"tp": 0, "fn": 0, "fp": 3, "tn": 1}])
def test_a_matrix_of_one_class_is_refused(matrix):
    assert contradicts_confusion({"accuracy": 0.5}, **matrix).endswith(" have one class only")
    assert contradicts_confusion({}, **matrix).endswith(" have one class only")
