"""Metrics that are ratios of counts at a threshold. Counts may be numbers or arrays (one element per bootstrap draw)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts: TypeAlias = NDArray[Any] | int | float
    Rates: TypeAlias = NDArray[np.float64]

AT_THRESHOLD = ("accuracy", "recall", "precision", "f1", "specificity")
"""Metrics that are also computed at further thresholds."""


def rates(tp: Counts, fp: Counts, positives: Counts, negatives: Counts) -> dict[str, Rates]:
    """Return accuracy, recall (sensitivity), precision, F1, specificity and balanced accuracy.

    Both classes must be present. Precision is 0 without positive calls.
    """
    recall, specificity = np.divide(tp, positives), 1 - np.divide(fp, negatives)
    return {
        "accuracy": np.divide(tp + negatives - fp, positives + negatives),
        "recall": recall,
        "precision": np.divide(tp, np.maximum(tp + fp, 1)),
        "f1": np.divide(2 * tp, tp + fp + positives),
        "specificity": specificity,
        "balanced-accuracy": (recall + specificity) / 2,
        "sensitivity": recall,
    }


def ppv(recall: Rates | float, specificity: Rates | float, prevalence: float) -> Rates:
    """Return the positive predictive value: the probability that a positive call is correct, at a prevalence.

    Bayes' theorem (Altman and Bland, BMJ 1994;309:102), because the prevalence in a test set differs from that in a hospital.
    0 without positive calls.
    """
    return _ratio(prevalence * np.asarray(recall), (1 - prevalence) * (1 - np.asarray(specificity)))


def npv(recall: Rates | float, specificity: Rates | float, prevalence: float) -> Rates:
    """Return the negative predictive value: the probability that a negative call is correct; 0 without negative calls."""
    return _ratio((1 - prevalence) * np.asarray(specificity), prevalence * (1 - np.asarray(recall)))


def _ratio(part: Rates, rest: Rates) -> Rates:
    whole = part + rest
    return part / np.where(whole > 0, whole, 1)
