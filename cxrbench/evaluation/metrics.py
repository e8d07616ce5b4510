"""Metrics of the positive class, pneumonia = 1, from labels and scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

METRICS = ("accuracy", "recall", "precision", "f1", "auc")
"""The columns of a leaderboard, in order."""

SORTABLE = (*METRICS, "balanced-accuracy")
"""What a leaderboard can be ranked by: whatever a search can maximise."""


def metrics(labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float) -> dict[str, float]:
    """Return accuracy, recall, precision, F1, AUC, specificity and balanced accuracy.

    Args:
        labels: int ``[n]``, both classes present.
        scores: float ``[n]``; at or above the threshold means pneumonia.
        threshold: chosen on other images than these.

    Precision is 0 where nothing is called pneumonia.
    """
    called = scores >= threshold
    true_positives = int(np.sum(called & (labels == 1)))
    false_positives = int(np.sum(called & (labels == 0)))
    positives, negatives = int(np.sum(labels == 1)), int(np.sum(labels == 0))
    recall = true_positives / positives
    specificity = 1 - false_positives / negatives
    return {
        "accuracy": (true_positives + negatives - false_positives) / len(labels),
        "recall": recall,
        "precision": true_positives / max(true_positives + false_positives, 1),
        "f1": 2 * true_positives / (true_positives + false_positives + positives),
        "auc": auc(labels, scores),
        "specificity": specificity,
        "balanced-accuracy": (recall + specificity) / 2,
    }


def auc(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve: the Mann-Whitney statistic, ties half (Hanley and McNeil, Radiology 1982)."""
    _ordered, position, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last_rank = counts.cumsum()
    rank = (last_rank - (counts - 1) / 2)[position]
    positives = int(np.sum(labels == 1))
    negatives = len(labels) - positives
    return float((rank[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))
