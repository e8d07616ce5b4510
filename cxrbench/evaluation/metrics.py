"""Metrics of the positive class (label 1), from labels and scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.evaluation.curves import FROM_CURVES, brier, from_curves
from cxrbench.evaluation.rates import AT_THRESHOLD, npv, ppv, rates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

METRICS = ("accuracy", "recall", "precision", "f1", "auc")
"""The five main metrics; leaderboard/columns.py defines the columns."""

SEARCHABLE = (*METRICS, "balanced-accuracy")
"""Metrics that a search can maximise."""

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
"""Metrics that a leaderboard can be ranked by. For those in `LOWER_IS_BETTER` the smallest value is first."""

PREVALENCE = 0.1
"""Default prevalence of the positive class for predictive values."""


def metrics(
    labels: NDArray[np.int64],
    scores: NDArray[np.float64],
    threshold: float,
    *,
    prevalence: float = PREVALENCE,
    also_at: Sequence[float] = (),
) -> dict[str, float]:
    """Return all metrics in `SORTABLE`, and those in `AT_THRESHOLD` at further thresholds as ``accuracy@0.7`` and so on.

    Precision, ppv and npv are 0 where they are undefined, for example precision without positive calls.

    Args:
        labels: int ``[n]``, both classes present.
        scores: float ``[n]``; a score at or above the threshold is a positive call.
        threshold: chosen on other images.
        prevalence: of the positive class, for ppv and npv.
        also_at: further thresholds.
    """
    values = _rates(labels, scores, threshold)
    values["ppv"] = float(ppv(values["recall"], values["specificity"], prevalence))
    values["npv"] = float(npv(values["recall"], values["specificity"], prevalence))
    rising = np.argsort(scores, kind="stable")
    curves = from_curves(labels[rising], scores[rising], np.ones((1, len(labels))), FROM_CURVES)
    values |= {name: float(value[0]) for name, value in curves.items()}
    values["auc"] = auc(labels, scores)
    values["brier"] = float(brier(labels, scores).mean())
    for further in also_at:
        further_rates = _rates(labels, scores, further)
        values |= {metric_at(name, further): further_rates[name] for name in AT_THRESHOLD}
    return values


def quick_metrics(labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float) -> dict[str, float]:
    """Return the AUC and the rates at a threshold, exactly as `metrics` computes them."""
    return {**_rates(labels, scores, threshold), "auc": auc(labels, scores)}


def search_metric(name: str, labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float) -> float:
    """Return one metric of `SEARCHABLE`, exactly as `metrics` computes it."""
    return auc(labels, scores) if name == "auc" else _rates(labels, scores, threshold)[name]


def metric_at(name: str, threshold: float) -> str:
    """Return the name of a metric at a further threshold: ``recall@0.7``."""
    return f"{name}@{threshold:g}"


def metric_names(also_at: Sequence[float] = ()) -> tuple[str, ...]:
    """Return the keys of `metrics`."""
    return (*SORTABLE, *(metric_at(name, further) for further in also_at for name in AT_THRESHOLD))


def metric_means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each metric over rows that hold the same metrics."""
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def confusion(labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float) -> dict[str, int]:
    """Return the confusion matrix: tp, fp, fn, tn."""
    positive_call, positive = scores >= threshold, labels == 1
    tp, fp = int(np.sum(positive_call & positive)), int(np.sum(positive_call & ~positive))
    positives = int(positive.sum())
    return {"tp": tp, "fp": fp, "fn": positives - tp, "tn": len(labels) - positives - fp}


def auc(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve: the Mann-Whitney statistic, ties half (Hanley and McNeil, Radiology 1982)."""
    _distinct, position, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last_rank = counts.cumsum()
    rank = (last_rank - (counts - 1) / 2)[position]
    positives = int(np.sum(labels == 1))
    negatives = len(labels) - positives
    return float((rank[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _rates(labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float) -> dict[str, float]:
    counts = confusion(labels, scores, threshold)
    values = rates(counts["tp"], counts["fp"], counts["tp"] + counts["fn"], counts["fp"] + counts["tn"])
    return {name: float(value) for name, value in values.items()}
