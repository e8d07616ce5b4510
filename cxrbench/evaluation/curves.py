"""Metrics that need all scores, for weighted images: a bootstrap draw weights each image by how often it was drawn.

Everything here takes images in the order of rising scores, and whole-numbered weights ``[draws, n]``; it gives the values that
rows repeated so often would have. Equal scores are one step of a curve and lie in one bin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

BINS = 15
FROM_CURVES = ("pr-auc", "sensitivity-at-90-specificity", "ece")


def from_curves(labels: NDArray[np.int64], scores: Floats, weights: Floats, names: Collection[str]) -> dict[str, Floats]:
    """Return the asked of `FROM_CURVES`, each float ``[draws]``."""
    found = {}
    if not {"pr-auc", "sensitivity-at-90-specificity"}.isdisjoint(names):
        tp, fp = cumulative(labels, scores, weights)
        found["pr-auc"] = average_precision(tp, fp)
        found["sensitivity-at-90-specificity"] = sensitivity_at_90_specificity(tp, fp)
    if "ece" in names:
        found["ece"] = calibration_error(labels, scores, weights)
    return found


def cumulative(labels: NDArray[np.int64], scores: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the true and the false positives ``[draws, steps]`` at every distinct score as the threshold, falling."""
    falling, weights = scores[::-1], weights[:, ::-1]
    last = np.append(np.flatnonzero(np.diff(falling)), len(scores) - 1)
    tp = np.cumsum(weights * labels[::-1], axis=1)[:, last]
    return tp, np.cumsum(weights, axis=1)[:, last] - tp


def area(tp: Floats, fp: Floats) -> Floats:
    """Return the area under the ROC curve, by trapezoids (Hanley and McNeil, Radiology 1982)."""
    twice: Floats = np.einsum("ij,ij->i", np.diff(fp, axis=1, prepend=0), tp + _before(tp))
    return twice / (2 * tp[:, -1] * fp[:, -1])


def average_precision(tp: Floats, fp: Floats) -> Floats:
    """Return the area under the precision-recall steps: sum of (gain in recall) x precision, as scikit-learn defines it."""
    precision = tp / np.maximum(tp + fp, 1)
    summed: Floats = np.einsum("ij,ij->i", np.diff(tp, axis=1, prepend=0), precision)
    return summed / tp[:, -1]


def sensitivity_at_90_specificity(tp: Floats, fp: Floats) -> Floats:
    """Return the largest sensitivity of any threshold whose specificity is at least 0.9; nothing is interpolated."""
    allowed = (10 * fp <= fp[:, -1:]).sum(axis=1)  # fp rises, so these are the first ones; whole numbers, so exact
    reached = np.take_along_axis(tp, np.maximum(allowed - 1, 0)[:, None], axis=1)[:, 0]
    return np.where(allowed > 0, reached, 0.0) / tp[:, -1]


def brier(labels: NDArray[np.int64], scores: Floats) -> Floats:
    """Return each image's squared error ``[n]``, whose mean is the Brier score (Monthly Weather Review 1950)."""
    return (scores - labels) ** 2


def calibration_error(labels: NDArray[np.int64], scores: Floats, weights: Floats) -> Floats:
    """Return the expected calibration error with 15 bins of equal mass (Naeini et al., AAAI 2015; Nguyen and O'Connor 2015).

    Images are ranked by score, equal scores sharing their middle rank r (from 0 to n); their bin is floor(15 r / n). The error
    is the sum over bins of |sum of (label - score)| / n. It is biased upwards in small samples: rank by Brier rather.
    """
    first = np.append(0, np.flatnonzero(np.diff(scores)) + 1)
    mass, gap = _grouped(weights, first), _grouped(weights * (labels - scores), first)
    until = np.cumsum(mass, axis=1)
    middle = until - mass / 2
    middle *= BINS
    middle /= until[:, -1:]
    bins = middle.astype(np.int64)
    bins += (BINS + 1) * np.arange(len(weights))[:, None]  # one more for last images that were not drawn: it stays empty
    sums = np.bincount(bins.ravel(), weights=gap.ravel(), minlength=(BINS + 1) * len(weights))
    error: Floats = np.abs(sums).reshape(len(weights), BINS + 1).sum(axis=1) / until[:, -1]
    return error


def _grouped(values: Floats, first: NDArray[np.int64]) -> Floats:
    """Add up the columns of equal scores, of which the first ones are given."""
    if len(first) == values.shape[1]:
        return values
    sums: Floats = np.add.reduceat(values, first, axis=1)
    return sums


def _before(tp: Floats) -> Floats:
    return np.concatenate([np.zeros((len(tp), 1)), tp[:, :-1]], axis=1)
