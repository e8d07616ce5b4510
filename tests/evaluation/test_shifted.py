"""Scores under several shifts: as repeats, and the worst of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score

from cxrbench.evaluation.predictions import Predictions
from cxrbench.evaluation.shifted import as_repeats, best_accuracy, recalibration, worst_shift

LABELS = np.array([0, 1] * 60)


def heads(noise, folds=(0, 1), seeds=(0, 1)):
    """Return the scores of every fold and seed; more noise is a worse AUC."""
    generator, keys = np.random.default_rng(noise), np.array([f"{number:03d}" for number in range(len(LABELS))])
    return [
        Predictions(
            subset="test",
            fold=fold,
            seed=seed,
            keys=keys,
            patients=keys,
            labels=LABELS,
            scores=1 / (1 + np.exp(-(2 * LABELS - 1 + noise * generator.normal(size=len(LABELS))))),
            threshold=0.5,
        )
        for fold in folds
        for seed in seeds
    ]


def test_the_worst_shift_has_the_lowest_mean_auc():
    shifts = [heads(noise) for noise in (1, 4, 2)]
    means = [np.mean([roc_auc_score(one.labels, one.scores) for one in shift]) for shift in shifts]
    assert int(np.argmin(means)) == 1
    found = worst_shift(as_repeats(shifts))
    assert [one.scores.tolist() for one in found] == [one.scores.tolist() for one in shifts[1]]


def test_every_shift_is_a_seed_of_its_own():
    repeats = as_repeats([heads(1), heads(2)])
    assert len({(one.fold, one.seed) for one in repeats}) == len(repeats) == 8


def test_no_threshold_is_better_than_the_best():
    (head,) = heads(3, folds=(0,), seeds=(0,))
    reached = max(accuracy_score(LABELS, head.scores >= threshold) for threshold in np.append(head.scores, 2))
    assert best_accuracy(LABELS, head.scores) == reached


def test_recalibration_is_a_logistic_regression_on_logits():
    (head,) = heads(2, folds=(0,), seeds=(0,))
    logits = np.log(head.scores / (1 - head.scores))[:, None]
    expected = LogisticRegression(C=np.inf, tol=1e-10).fit(logits, LABELS)
    slope, intercept = recalibration(LABELS, head.scores)
    assert slope == pytest.approx(expected.coef_[0, 0], abs=1e-4)
    assert intercept == pytest.approx(expected.intercept_[0], abs=1e-4)
    assert recalibration(LABELS, np.where(LABELS == 1, 0.9, 0.1) + 0.01 * np.random.default_rng(0).random(120)) is None
