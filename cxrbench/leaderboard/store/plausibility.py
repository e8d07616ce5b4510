"""Check metrics against the confusion matrix that they were computed from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.evaluation.rates import rates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EXACT = 1e-9
"""Largest difference between a stored metric and the same metric computed again."""


def contradicts_confusion(metrics: Mapping[str, float], *, tp: int, fp: int, fn: int, tn: int) -> str:
    """Return a sentence that names the first metric that contradicts the confusion matrix, or "".

    The rates follow from the matrix. An AUC is a multiple of 1 / (2 PN), and its ROC curve passes through the operating
    point: (1 - FPR) TPR <= AUC <= 1 - FPR (1 - TPR). Other metrics are ignored.
    """
    matrix = f"{tp} TP, {fp} FP, {fn} FN and {tn} TN"
    if not (tp + fn and fp + tn):
        return f"{matrix} have one class only"
    for name, value in rates(tp, fp, tp + fn, fp + tn).items():
        if name in metrics and not abs(metrics[name] - value) <= EXACT:
            return f"{name} is {metrics[name]:.6g}, but {matrix} make {value:.6g}"
    if "auc" in metrics and not _has_curve(metrics["auc"], tp=tp, fp=fp, fn=fn, tn=tn):
        return f"auc is {metrics['auc']:.6g}, but no ROC curve through {matrix} has that area"
    return ""


def wrong_intervals(metrics: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    """Yield a sentence for each interval that is not in 0..1 or does not contain its metric."""
    for metric, (low, high) in intervals.items():
        if not 0 <= low <= high <= 1:
            yield f"the interval of {metric}, {low:g} to {high:g}, is not in 0..1"
        elif not low - EXACT <= metrics.get(metric, low) <= high + EXACT:
            yield f"{metric} {metrics[metric]:.6g} lies outside its interval {low:.6g} to {high:.6g}"


def _has_curve(auc: float, *, tp: int, fp: int, fn: int, tn: int) -> bool:
    pairs = (tp + fn) * (fp + tn)
    if not tp * tn / pairs - EXACT <= auc <= 1 - fp * fn / pairs + EXACT:
        return False
    halves = 2 * pairs * auc  # pairs ranked correctly count twice, ties once
    return abs(halves - round(halves)) <= EXACT * 2 * pairs
