from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from cxrbench.evaluation.metrics import METRICS, auc, metrics

SCORES = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.floats(0, 1))


@st.composite
def folds(draw):
    """Draw labels of both classes, scores that are often equal, and a threshold that is often one of them."""
    labels = draw(st.lists(st.integers(0, 1), min_size=2, max_size=30).filter(lambda drawn: 0 < sum(drawn) < len(drawn)))
    scores = draw(st.lists(SCORES, min_size=len(labels), max_size=len(labels)))
    return np.array(labels), np.array(scores), draw(st.one_of(SCORES, st.sampled_from(scores)))


@given(folds())
def test_every_metric_is_scikit_learns(fold):
    labels, scores, threshold = fold
    called = (scores >= threshold).astype(int)
    expected = {
        "accuracy": accuracy_score(labels, called),
        "recall": recall_score(labels, called),
        "precision": precision_score(labels, called, zero_division=0),
        "f1": f1_score(labels, called, zero_division=0),
        "auc": roc_auc_score(labels, scores),
        "specificity": recall_score(labels, called, pos_label=0),
        "balanced-accuracy": balanced_accuracy_score(labels, called),
    }
    found = metrics(labels, scores, threshold)
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, abs=1e-12)


def test_a_score_at_the_threshold_is_called_pneumonia():
    found = metrics(np.array([0, 1]), np.array([0.2, 0.5]), 0.5)
    assert (found["accuracy"], found["recall"], found["precision"]) == (1, 1, 1)


def test_calling_nothing_pneumonia_has_precision_zero():
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


def test_every_column_of_the_board_is_computed():
    assert set(METRICS) <= metrics(np.array([0, 1]), np.array([0.1, 0.9]), 0.5).keys()
