"""Scores under several shifts: as repeats, and the worst of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score

from cxrbench.evaluation.bootstrap import bootstrap_values, draw_patients
from cxrbench.evaluation.shifted import as_repeats, best_accuracy, recalibration, worst_shift


@pytest.fixture
def shifts(simulated):
    """Return the scores of the same heads under three shifts; under the second they are worst."""
    return [simulated(0, distance=distance, folds=2, seeds=2) for distance in (3.0, 1.0, 2.0)]


@pytest.fixture
def head(simulated):
    return simulated(1, distance=1.5)[0]


def test_the_worst_shift_has_the_lowest_mean_auc(shifts):
    means = [np.mean([roc_auc_score(one.labels, one.scores) for one in shift]) for shift in shifts]
    assert int(np.argmin(means)) == 1
    found = worst_shift(as_repeats(shifts))
    assert sorted(one.scores.tolist() for one in found) == sorted(one.scores.tolist() for one in shifts[1])


def test_every_shift_is_a_seed_of_its_own(shifts):
    repeats = as_repeats(shifts)
    assert len({(one.fold, one.seed) for one in repeats}) == len(repeats) == 12


def test_draws_of_repeats_are_means_of_the_draws_of_each_shift(shifts):
    draws = draw_patients(shifts[0], 0, draws=50)
    of_each = [bootstrap_values(shift, draws, prevalence=0.1) for shift in shifts]
    for name, values in bootstrap_values(as_repeats(shifts), draws, prevalence=0.1).items():
        assert values == pytest.approx(np.mean([found[name] for found in of_each], axis=0), abs=1e-12)


def test_no_threshold_is_better_than_the_best(head):
    reached = max(accuracy_score(head.labels, head.scores >= threshold) for threshold in np.append(head.scores, 2))
    assert best_accuracy(head.labels, head.scores) == reached


def test_recalibration_is_a_logistic_regression_on_logits(head):
    logits = np.log(head.scores / (1 - head.scores))[:, None]
    expected = LogisticRegression(C=np.inf, tol=1e-10).fit(logits, head.labels)
    slope, intercept = recalibration(head.labels, head.scores)
    assert slope == pytest.approx(expected.coef_[0, 0], abs=1e-4)
    assert intercept == pytest.approx(expected.intercept_[0], abs=1e-4)


def test_separated_classes_have_no_recalibration():
    labels = np.array([0, 1] * 20)
    assert recalibration(labels, np.where(labels == 1, 0.9, 0.1)) is None
