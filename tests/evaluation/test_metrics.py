from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

from cxrbench.evaluation.metrics import (
    LOWER_IS_BETTER,
    METRICS,
    SEARCHABLE,
    SORTABLE,
    auc,
    confusion,
    metric_names,
    metrics,
    search_metric,
)

SCORES = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.floats(0, 1))


@st.composite
def folds(draw):
    """Draw labels of both classes, scores that are often equal, and a threshold that is often one of them."""
    labels = draw(st.lists(st.integers(0, 1), min_size=2, max_size=30).filter(lambda drawn: 0 < sum(drawn) < len(drawn)))
    scores = draw(st.lists(SCORES, min_size=len(labels), max_size=len(labels)))
    return np.array(labels), np.array(scores), draw(st.one_of(SCORES, st.sampled_from(scores)))


def sensitivity_at_90_specificity(labels, scores):
    false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
    negatives = np.sum(labels == 0)
    return true[10 * np.round(false * negatives) <= negatives].max()


def calibration_error(labels, scores):
    bins = [min(int(15 * (rank - 0.5) / len(labels)), 14) for rank in rankdata(scores)]
    gaps = dict.fromkeys(bins, 0.0)
    for number, label, score in zip(bins, labels, scores, strict=True):
        gaps[number] += label - score
    return sum(abs(gap) for gap in gaps.values()) / len(labels)


def at_threshold(labels, called):
    precision, recall, f1, _ = precision_recall_fscore_support(labels, called, labels=[0, 1], zero_division=0)
    return {
        "accuracy": accuracy_score(labels, called),
        "recall": recall[1],
        "precision": precision[1],
        "f1": f1[1],
        "specificity": recall[0],
    }


@given(folds(), st.floats(0.01, 0.99))
def test_every_metric_matches_scikit_learn(fold, prevalence):
    labels, scores, threshold = fold
    called = (scores >= threshold).astype(int)
    plain = at_threshold(labels, called)
    positive_calls = [prevalence * plain["recall"], (1 - prevalence) * (1 - plain["specificity"])]
    negative_calls = [(1 - prevalence) * plain["specificity"], prevalence * (1 - plain["recall"])]
    expected = {
        **plain,
        "sensitivity": plain["recall"],
        "auc": roc_auc_score(labels, scores),
        "balanced-accuracy": balanced_accuracy_score(labels, called),
        "pr-auc": average_precision_score(labels, scores),
        "brier": brier_score_loss(labels, scores),
        "ece": calibration_error(labels, scores),
        "sensitivity-at-90-specificity": sensitivity_at_90_specificity(labels, scores),
        "ppv": positive_calls[0] / sum(positive_calls) if sum(positive_calls) else 0,
        "npv": negative_calls[0] / sum(negative_calls) if sum(negative_calls) else 0,
        **{f"{name}@0.7": value for name, value in at_threshold(labels, (scores >= 0.7).astype(int)).items()},
    }
    found = metrics(labels, scores, threshold, prevalence=prevalence, also_at=(0.7,))
    assert found.keys() == expected.keys() == set(metric_names((0.7,)))
    assert found == pytest.approx(expected, abs=1e-12)


@given(folds())
def test_the_confusion_matrix_matches_scikit_learn(fold):
    labels, scores, threshold = fold
    (tn, fp), (fn, tp) = confusion_matrix(labels, scores >= threshold).tolist()
    assert confusion(labels, scores, threshold) == {"tp": tp, "fp": fp, "fn": fn, "tn": tn}


@given(folds())
def test_metrics_are_plain_numbers_from_0_to_1_also_in_a_search(fold):
    found = metrics(*fold)
    assert all(type(value) is float and 0 <= value <= 1 for value in found.values())
    assert {name: search_metric(name, *fold) for name in SEARCHABLE} == {name: found[name] for name in SEARCHABLE}


@given(folds(), st.randoms())
def test_metrics_do_not_depend_on_the_order_of_the_images(fold, random):
    labels, scores, threshold = fold
    order = list(range(len(labels)))
    random.shuffle(order)
    assert metrics(labels[order], scores[order], threshold) == pytest.approx(metrics(*fold), abs=1e-12)


@pytest.mark.parametrize(("prevalence", "expected"), [(0.625, 0.94), (0.1, 0.51), (0.05, 0.33)])
def test_predictive_values_follow_the_prevalence(prevalence, expected):
    """Kermany's sensitivity of 93.2 % and specificity of 90.1 %, by Bayes' theorem."""
    labels = np.repeat([1, 1, 0, 0], [932, 68, 901, 99])
    scores = np.repeat([1.0, 0.0, 0.0, 1.0], [932, 68, 901, 99])
    assert metrics(labels, scores, 0.5, prevalence=prevalence)["ppv"] == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("distinct", [5, 37, 10**6])
def test_bins_hold_equally_many_images(distinct):
    generator = np.random.default_rng(distinct)
    labels, scores = generator.integers(2, size=100), generator.integers(distinct, size=100) / distinct
    found = metrics(labels, scores, 0.5)["ece"]
    assert found == pytest.approx(calibration_error(labels, scores), abs=1e-12)
    if distinct == 10**6:  # 100 images, 15 bins
        order = np.argsort(scores)
        bins = np.array([int(15 * (place + 0.5) / 100) for place in range(100)])
        gaps = np.bincount(bins, weights=(labels - scores)[order])
        assert found == pytest.approx(np.abs(gaps).sum() / 100)
        assert set(np.bincount(bins)) == {6, 7}


def test_one_false_positive_in_ten_is_a_specificity_of_90():
    labels, scores = np.array([0] * 10 + [1, 1, 1]), np.array([0.1] * 8 + [0.5, 0.8] + [0.9, 0.7, 0.3])
    assert metrics(labels, scores, 0.5)["sensitivity-at-90-specificity"] == pytest.approx(2 / 3)


def test_perfect_scores_and_one_bin_of_equal_ones_are_calibrated():
    found = metrics(np.array([0, 1, 1]), np.array([0.0, 1.0, 1.0]), 0.5)
    assert (found["brier"], found["ece"], found["pr-auc"], found["sensitivity-at-90-specificity"]) == (0, 0, 1, 1)
    assert metrics(np.tile([0, 1], 50), np.full(100, 0.5), 0.5)["ece"] == 0  # in one bin


def test_every_sortable_metric_and_every_column_is_computed():
    computed = metrics(np.array([0, 1]), np.array([0.1, 0.9]), 0.5).keys()
    assert LOWER_IS_BETTER < set(SORTABLE) == computed
    assert set(METRICS) <= computed


def test_a_score_at_the_threshold_is_a_positive_call():
    found = metrics(np.array([0, 1]), np.array([0.2, 0.5]), 0.5)
    assert (found["accuracy"], found["recall"], found["precision"]) == (1, 1, 1)


def test_no_positive_call_gives_precision_zero():
    found = metrics(np.array([0, 0, 1]), np.array([0.1, 0.2, 0.3]), 0.9)
    assert (found["precision"], found["recall"], found["f1"]) == (0, 0, 0)
    assert found["accuracy"] == 2 / 3


def test_auc_counts_ties_half():
    assert auc(np.array([0, 1]), np.array([0.5, 0.5])) == 0.5
    assert auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.5, 0.5, 0.9])) == 0.875


@given(folds())
def test_auc_depends_on_the_order_of_the_scores_alone(fold):
    labels, scores, _ = fold
    ranks = np.unique(scores, return_inverse=True)[1].astype(float)
    assert auc(labels, scores) == auc(labels, ranks)
    assert auc(labels, scores) + auc(1 - labels, scores) == pytest.approx(1)
