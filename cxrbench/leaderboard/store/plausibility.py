"""Check whether one confusion matrix can produce a set of metrics.

The metrics of one test set are functions of four whole numbers. Numbers that no confusion matrix can produce contain a mistake
(the GRIM test, Brown and Heathers 2017; DConfusion). Means over folds or seeds come from several confusion matrices: check each
head by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.evaluation.rates import rates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Range: TypeAlias = tuple[float, float]
    Bounds: TypeAlias = tuple[Floats | float, Floats | float]

EXACT = 1e-9
CHECKED = ("accuracy", "recall", "sensitivity", "precision", "f1", "specificity", "balanced-accuracy", "auc")


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidate confusion matrices of a test set, by their true positives, with its positives and negatives."""

    tp: Floats
    positives: int
    negatives: int


def contradicts_confusion(metrics: Mapping[str, float], *, tp: int, fp: int, fn: int, tn: int) -> str:
    """Return a sentence that names the first metric that contradicts the confusion matrix, or ""."""
    if not (tp + fn and fp + tn):
        return f"{tp} TP, {fp} FP, {fn} FN and {tn} TN have one class only"
    expected = {name: float(value) for name, value in rates(tp, fp, tp + fn, fp + tn).items()}
    for name, value in expected.items():
        if name in metrics and not abs(metrics[name] - value) <= EXACT:
            return f"{name} is {metrics[name]:.6g}, but {tp} TP, {fp} FP, {fn} FN and {tn} TN make {value:.6g}"
    if "auc" in metrics and impossible({**expected, "auc": metrics["auc"]}, size=tp + fp + fn + tn, positives=tp + fn):
        return f"auc is {metrics['auc']:.6g}, but no ROC curve through {tp} TP, {fp} FP, {fn} FN and {tn} TN has that area"
    return ""


def impossible(
    metrics: Mapping[str, float],
    *,
    size: int,
    positives: int | None = None,
    decimals: int | Mapping[str, int] | None = None,
) -> str:
    """Return a sentence that names metrics that no confusion matrix of the test set can produce together, or "".

    It names as few metrics as possible, often one. An AUC must be a multiple of 1 / (2 PN), and its ROC curve must
    pass through the operating point: (1 - FPR) TPR <= AUC <= 1 - FPR (1 - TPR). Other metrics are ignored.

    Args:
        metrics: of the positive class, or accuracies and AUC.
        size: number of test images.
        positives: number of positive images; None if unknown: any number that leaves both classes.
        decimals: that the numbers were rounded to, one for all or by name; None for full precision.
    """
    given = {name: metrics[name] for name in CHECKED if name in metrics}
    for name, value in given.items():
        if not 0 <= value <= 1:
            return f"{name} {value:g} is not in 0..1"
    ranges = {name: _range(value, _decimals(decimals, name)) for name, value in given.items()}
    if _possible(ranges, size, positives):
        return ""
    for name in given:
        fewer = {other: limits for other, limits in ranges.items() if other != name}
        if not _possible(fewer, size, positives):
            ranges = fewer
    named = " together with ".join(f"{name} {given[name]:.10g}" for name in ranges)
    of = "" if positives is None else f", {positives} of them positive,"
    return f"no confusion matrix of {size} test images{of} has {named or 'both classes'}"


def _decimals(decimals: int | Mapping[str, int] | None, name: str) -> int | None:
    return decimals if decimals is None or isinstance(decimals, int) else decimals.get(name)


def _range(value: float, decimals: int | None) -> Range:
    slack = EXACT if decimals is None else 0.5 * 10.0**-decimals + EXACT
    return max(value - slack, 0.0), min(value + slack, 1.0)


def _possible(given: Mapping[str, Range], size: int, positives: int | None) -> bool:
    numbers = range(1, size) if positives is None else (positives,)
    return any(_some(given, number, size - number) for number in numbers if 0 < number < size)


def _some(given: Mapping[str, Range], positives: int, negatives: int) -> bool:
    """Return whether a confusion matrix has the metrics: for some number of true positives, a whole FP remains."""
    if "auc" in given and not _whole(2 * positives * negatives, *given["auc"]):
        return False
    recalls = [given[name] for name in ("recall", "sensitivity") if name in given]
    first = max((math.ceil(low * positives) for low, _ in recalls), default=0)
    last = min((math.floor(high * positives) for _, high in recalls), default=positives)
    if first > last:
        return False
    candidates = Candidates(np.arange(first, last + 1, dtype=np.float64), positives, negatives)
    low, high = np.zeros(last + 1 - first), np.full(last + 1 - first, float(negatives))
    for name in _FALSE_POSITIVES.keys() & given.keys():
        least, most = _FALSE_POSITIVES[name](candidates, *given[name])
        low, high = np.maximum(low, least), np.minimum(high, most)
    return bool((np.ceil(low) <= np.floor(high)).any())


def _whole(denominator: int, low: float, high: float) -> bool:
    return math.ceil(low * denominator) <= math.floor(high * denominator)


# Each function returns the fewest and the most false positives that keep a metric between `low` and `high`.


def _accuracy(of: Candidates, low: float, high: float) -> Bounds:
    size = of.positives + of.negatives
    return of.tp + of.negatives - high * size, of.tp + of.negatives - low * size


def _precision(of: Candidates, low: float, high: float) -> Bounds:
    """Bound tp / (tp + fp), and 0 without true positives."""
    least = np.where(of.tp > 0, _over(of.tp, high) - of.tp, 0.0)
    most = np.where(of.tp > 0, _over(of.tp, low) - of.tp, np.inf if low <= 0 else -1.0)
    return least, most


def _f1(of: Candidates, low: float, high: float) -> Bounds:
    """Bound 2 tp / (tp + fp + positives), and 0 without true positives."""
    rest = of.tp + of.positives
    least = np.where(of.tp > 0, _over(2 * of.tp, high) - rest, 0.0)
    most = np.where(of.tp > 0, _over(2 * of.tp, low) - rest, np.inf if low <= 0 else -1.0)
    return least, most


def _specificity(of: Candidates, low: float, high: float) -> Bounds:
    return of.negatives * (1 - high), of.negatives * (1 - low)


def _balanced_accuracy(of: Candidates, low: float, high: float) -> Bounds:
    recall = of.tp / of.positives
    return of.negatives * (recall + 1 - 2 * high), of.negatives * (recall + 1 - 2 * low)


def _auc(of: Candidates, low: float, high: float) -> Bounds:
    """Bound the area: tp (negatives - fp) <= AUC x pairs <= pairs - fp (positives - tp)."""
    pairs = of.positives * of.negatives
    missed = of.positives - of.tp
    least = np.where(of.tp > 0, of.negatives - high * pairs / np.maximum(of.tp, 1), 0.0)
    most = np.where(missed > 0, (1 - low) * pairs / np.maximum(missed, 1), np.inf)
    return least, most


def _over(numerator: Floats, value: float) -> Floats:
    return numerator / value if value > 0 else np.full(len(numerator), np.inf)


_FALSE_POSITIVES: Mapping[str, Callable[[Candidates, float, float], Bounds]] = {
    "accuracy": _accuracy,
    "precision": _precision,
    "f1": _f1,
    "specificity": _specificity,
    "balanced-accuracy": _balanced_accuracy,
    "auc": _auc,
}
