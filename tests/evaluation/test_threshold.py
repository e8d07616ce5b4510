from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrbench.evaluation.bootstrap import draw_weights
from cxrbench.evaluation.threshold import choose_threshold

FEW_SCORES = st.sampled_from([0.0, 1e-300, 0.1, 0.2, 0.30000000000000004, 0.5, 0.7, 1 - 2**-53, 1.0])
ANY_SCORE = st.floats(0, 1)


@st.composite
def folds(draw):
    """Draw labels of both classes, and scores that are often equal."""
    labels = draw(st.lists(st.integers(0, 1), min_size=2, max_size=40).filter(lambda drawn: 0 < sum(drawn) < len(drawn)))
    scores = draw(st.lists(draw(st.sampled_from([FEW_SCORES, ANY_SCORE])), min_size=len(labels), max_size=len(labels)))
    return np.array(labels), np.array(scores)


def table(labels, scores):
    """Count by hand: each distinct score with its true positives, false positives, positives and negatives."""
    rows = list(zip(labels.tolist(), scores.tolist(), strict=True))
    positives = sum(label for label, _ in rows)
    for threshold in sorted({score for _, score in rows}):
        called = [label for label, score in rows if score >= threshold]
        yield threshold, sum(called), len(called) - sum(called), positives, len(rows) - positives


def f1(true_positives, false_positives, positives, negatives):
    return Fraction(2 * true_positives, true_positives + false_positives + positives)


def accuracy(true_positives, false_positives, positives, negatives):
    return Fraction(true_positives + negatives - false_positives, positives + negatives)


def youden(true_positives, false_positives, positives, negatives):
    return Fraction(true_positives, positives) + Fraction(negatives - false_positives, negatives) - 1


@pytest.mark.parametrize(("policy", "value"), [("max-f1", f1), ("max-accuracy", accuracy), ("youden", youden)])
@given(fold=folds())
def test_the_lowest_of_the_best_thresholds_is_chosen(policy, value, fold):
    values = {threshold: value(*counts) for threshold, *counts in table(*fold)}
    best = min(threshold for threshold in values if values[threshold] == max(values.values()))
    assert choose_threshold(policy, *fold) == best


@given(folds(), st.integers(0, 100))
def test_the_highest_threshold_that_keeps_the_recall_is_chosen(fold, percent):
    enough = [
        threshold
        for threshold, true_positives, _, positives, _ in table(*fold)
        if Fraction(true_positives, positives) >= Fraction(percent, 100)
    ]
    assert choose_threshold(f"recall>={percent / 100}", *fold) == max(enough)


def test_a_recall_of_one_keeps_every_positive():
    labels, scores = np.array([1, 1, 0, 1, 0]), np.array([0.9, 0.3, 0.6, 0.8, 0.1])
    assert choose_threshold("recall>=1", labels, scores) == 0.3
    assert choose_threshold("recall>=1.0", labels, scores) == 0.3


def test_a_recall_that_is_met_exactly_is_enough():
    labels = np.array([1] * 20 + [0] * 5)
    scores = np.concatenate([np.arange(1, 21) / 20, np.zeros(5)])
    assert choose_threshold("recall>=0.95", labels, scores) == 0.1
    assert choose_threshold("recall>=0.951", labels, scores) == 0.05


def test_youden_values_are_equal_although_their_floats_differ():
    labels = np.array([0, 1, 0, 0, 0, 1, 0, 0])
    scores = np.arange(8) / 8
    values = {threshold: youden(*counts) for threshold, *counts in table(labels, scores)}
    assert values[0.125] == values[0.625] == max(values.values()) == Fraction(1, 6)
    assert choose_threshold("youden", labels, scores) == 0.125


@pytest.mark.parametrize("policy", ["f1", "accuracy", "youden"])
@settings(max_examples=30)
@given(fold=folds(), seed=st.integers(0, 2**32 - 1))
def test_the_median_is_that_of_the_optima_of_drawn_patients(policy, fold, seed):
    labels, scores = fold
    patients = np.random.default_rng(seed).integers(0, 9, len(labels)).astype(str)
    names = np.unique(patients)
    optima = []
    for counts in draw_weights(np.random.default_rng(len(names)), 200, len(names)).astype(int):
        times = counts[np.searchsorted(names, patients)]
        if 0 < times @ labels < times.sum():
            best = choose_threshold(
                policy if policy == "youden" else f"max-{policy}", labels.repeat(times), scores.repeat(times)
            )
            optima.append(best)
    expected = np.percentile(optima, 50, method="lower")
    assert choose_threshold(f"median-{policy}", labels, scores, patients) == expected


def test_the_median_does_not_hang_on_one_patient():
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    scores = generator.normal(0.4 + 0.2 * labels, 0.1)
    stable, optimum = (
        {choose_threshold(policy, labels[rest], scores[rest]) for rest in LEFT_OUT} for policy in ("median-f1", "max-f1")
    )
    assert np.ptp(list(stable)) < np.ptp(list(optimum))


LEFT_OUT = [np.delete(np.arange(200), one) for one in range(0, 200, 5)]


def test_a_single_distinct_score_is_the_threshold():
    for policy in ("max-f1", "max-accuracy", "youden", "median-f1", "recall>=0.5"):
        assert choose_threshold(policy, np.array([0, 1, 1]), np.full(3, 0.25)) == 0.25


@pytest.mark.parametrize(
    ("policy", "threshold"), [("fixed=0.5", 0.5), ("fixed=.25", 0.25), ("fixed=0", 0.0), ("fixed=1.", 1.0)]
)
def test_a_fixed_threshold_does_not_look_at_the_scores(policy, threshold):
    assert choose_threshold(policy, np.array([0, 1]), np.array([0.9, 0.1])) == threshold
    assert choose_threshold(policy, np.array([0, 1]), np.array([0.1, 0.9])) == threshold
