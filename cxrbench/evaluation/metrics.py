"""Metrics of the positive class, pneumonia = 1, from labels and scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.evaluation.curves import FROM_CURVES, brier, from_curves
from cxrbench.evaluation.rates import AT_THRESHOLD, npv, ppv, rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

METRICS = ("accuracy", "recall", "precision", "f1", "auc")
"""The columns of a leaderboard, in order."""

SEARCHABLE = (*METRICS, "balanced-accuracy")
"""What a search can maximise."""

LOWER_IS_BETTER = frozenset({"brier", "ece"})

SORTABLE = (
    *SEARCHABLE,
    "specificity",
    "sensitivity",
    "pr-auc",
    "sensitivity-at-90-specificity",
    "ppv",
    "npv",
    "brier",
    "ece",
)
"""What a leaderboard can be ranked by; of `LOWER_IS_BETTER` the smallest is first."""

PREVALENCE = 0.1
"""Of pneumonia, where predictive values are given for no other."""


def metrics(
    labels: NDArray[np.int64],
    scores: NDArray[np.float64],
    threshold: float,
    *,
    prevalence: float = PREVALENCE,
    also_at: Sequence[float] = (),
) -> dict[str, float]:
    """Return all of `SORTABLE`, and `AT_THRESHOLD` at further thresholds as ``accuracy@0.7`` and so on.

    Args:
        labels: int ``[n]``, both classes present.
        scores: float ``[n]``; at or above the threshold means pneumonia.
        threshold: chosen on other images than these.
        prevalence: of pneumonia where ppv and npv shall hold.
        also_at: further thresholds.

    Precision is 0 where nothing is called pneumonia; ppv and npv likewise.
    """
    found = _rates(labels, scores, threshold)
    found["ppv"] = float(ppv(found["recall"], found["specificity"], prevalence))
    found["npv"] = float(npv(found["recall"], found["specificity"], prevalence))
    rising = np.argsort(scores, kind="stable")
    curves = from_curves(labels[rising], scores[rising], np.ones((1, len(labels))), FROM_CURVES)
    found |= {name: float(value[0]) for name, value in curves.items()}
    found["auc"] = auc(labels, scores)
    found["brier"] = float(brier(labels, scores).mean())
    for further in also_at:
        there = _rates(labels, scores, further)
        found |= {at(name, further): there[name] for name in AT_THRESHOLD}
    return found


def search_metric(name: str, labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float) -> float:
    """Return one of `SEARCHABLE`, exactly as `metrics` does, without the others."""
    return auc(labels, scores) if name == "auc" else _rates(labels, scores, threshold)[name]


def at(name: str, threshold: float) -> str:
    """Return the name of a metric at a further threshold: ``recall@0.7``."""
    return f"{name}@{threshold:g}"


def metric_names(also_at: Sequence[float] = ()) -> tuple[str, ...]:
    """Return the keys of `metrics`."""
    return (*SORTABLE, *(at(name, further) for further in also_at for name in AT_THRESHOLD))


def confusion(labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float) -> dict[str, int]:
    """Return the numbers of true and false positives and negatives: tp, fp, fn, tn."""
    called, positive = scores >= threshold, labels == 1
    tp, fp = int(np.sum(called & positive)), int(np.sum(called & ~positive))
    positives = int(positive.sum())
    return {"tp": tp, "fp": fp, "fn": positives - tp, "tn": len(labels) - positives - fp}


def auc(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve: the Mann-Whitney statistic, ties half (Hanley and McNeil, Radiology 1982)."""
    _ordered, position, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last_rank = counts.cumsum()
    rank = (last_rank - (counts - 1) / 2)[position]
    positives = int(np.sum(labels == 1))
    negatives = len(labels) - positives
    return float((rank[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _rates(labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float) -> dict[str, float]:
    counts = confusion(labels, scores, threshold)
    found = rates(counts["tp"], counts["fp"], counts["tp"] + counts["fn"], counts["fp"] + counts["tn"])
    return {name: float(value) for name, value in found.items()}
