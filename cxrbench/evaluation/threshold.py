"""Choose the exact optimal threshold on validation scores under a named policy.

A score at or above the threshold is a positive call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def choose_threshold(policy: str, labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Return the best threshold under a policy. Ties go to the lowest, because a missed case costs more than a false alarm.

    Args:
        policy: ``max-f1``, ``max-accuracy``, ``youden`` (recall + specificity - 1; Youden, Cancer 1950), ``recall>=R`` (the
            highest threshold that keeps that recall) or ``fixed=T``.
        labels: int ``[n]``, both classes present.
        scores: float ``[n]``.
    """
    if policy.startswith("fixed="):
        return float(policy.removeprefix("fixed="))
    thresholds, true_positives, false_positives = _counts_by_threshold(labels, scores)
    positives, negatives = int(labels.sum()), int(len(labels) - labels.sum())
    if policy.startswith("recall>="):
        enough = true_positives >= float(policy.removeprefix("recall>=")) * positives - 1e-9
        return float(thresholds[enough].max())
    value = {
        "max-f1": 2 * true_positives / (true_positives + false_positives + positives),
        "max-accuracy": (true_positives + negatives - false_positives) / len(labels),
        "youden": true_positives * negatives - false_positives * positives,
    }[policy]
    return float(thresholds[np.flatnonzero(value == value.max())[0]])


def _counts_by_threshold(
    labels: NDArray[np.int64], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct scores, ascending, and the true and false positives with each as the threshold."""
    thresholds, position = np.unique(scores, return_inverse=True)
    positives = np.bincount(position, weights=labels, minlength=len(thresholds))
    images = np.bincount(position, minlength=len(thresholds))
    true_positives = positives[::-1].cumsum()[::-1].astype(np.int64)
    return thresholds, true_positives, images[::-1].cumsum()[::-1] - true_positives
