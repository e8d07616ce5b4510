"""Metrics that need all scores, for weighted images. A bootstrap draw weights each image by how often it was drawn.

The functions take images in ascending order of score and whole-number weights ``[draws, n]``. A weight of k has the same effect
as repeating the image k times. Equal scores form one step of a curve and share a bin.
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
    """Return those of `FROM_CURVES` that are in `names`, each float ``[draws]``."""
    values = {}
    if not {"pr-auc", "sensitivity-at-90-specificity"}.isdisjoint(names):
        tp, fp = cumulative(labels, scores, weights)
        values["pr-auc"] = average_precision(tp, fp)
        values["sensitivity-at-90-specificity"] = sensitivity_at_90_specificity(tp, fp)
    if "ece" in names:
        values["ece"] = calibration_error(labels, scores, weights)
    return values


def cumulative(labels: NDArray[np.int64], scores: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return true and false positives ``[draws, steps]`` with each distinct score as threshold, in descending order."""
    descending, weights = scores[::-1], weights[:, ::-1]
    last = np.append(np.flatnonzero(np.diff(descending)), len(scores) - 1)
    tp = np.cumsum(weights * labels[::-1], axis=1)[:, last]
    return tp, np.cumsum(weights, axis=1)[:, last] - tp


def average_precision(tp: Floats, fp: Floats) -> Floats:
    """Return the area under the precision-recall steps: sum of (gain in recall) x precision, as scikit-learn defines it."""
    precision = tp / np.maximum(tp + fp, 1)
    summed: Floats = np.einsum("ij,ij->i", np.diff(tp, axis=1, prepend=0), precision)
    return summed / tp[:, -1]


def sensitivity_at_90_specificity(tp: Floats, fp: Floats) -> Floats:
    """Return the largest sensitivity of any threshold whose specificity is at least 0.9, without interpolation."""
    allowed = (10 * fp <= fp[:, -1:]).sum(axis=1)  # fp ascends, so these steps come first; exact, as counts are whole
    reached = np.take_along_axis(tp, np.maximum(allowed - 1, 0)[:, None], axis=1)[:, 0]
    return np.where(allowed > 0, reached, 0.0) / tp[:, -1]


def brier(labels: NDArray[np.int64], scores: Floats) -> Floats:
    """Return each image's squared error ``[n]``; the mean is the Brier score (Monthly Weather Review 1950)."""
    return (scores - labels) ** 2


def calibration_error(labels: NDArray[np.int64], scores: Floats, weights: Floats) -> Floats:
    """Return the expected calibration error with 15 bins of equal mass (Naeini et al., AAAI 2015; Nguyen and O'Connor 2015).

    Images are ranked by score. Equal scores share their middle rank r (0 to n). The bin is floor(15 r / n). The error is the
    sum over bins of |sum of (label - score)| / n. It is biased upwards in small samples: prefer the Brier score for ranking.
    """
    first = np.append(0, np.flatnonzero(np.diff(scores)) + 1)
    mass, gap = _sum_equal_scores(weights, first), _sum_equal_scores(weights * (labels - scores), first)
    cumulative_mass = np.cumsum(mass, axis=1)
    middle_rank = cumulative_mass - mass / 2
    middle_rank *= BINS
    middle_rank /= cumulative_mass[:, -1:]
    bins = middle_rank.astype(np.int64)
    bins += (BINS + 1) * np.arange(len(weights))[:, None]  # one extra bin for last images with weight 0; it stays empty
    sums = np.bincount(bins.ravel(), weights=gap.ravel(), minlength=(BINS + 1) * len(weights))
    error: Floats = np.abs(sums).reshape(len(weights), BINS + 1).sum(axis=1) / cumulative_mass[:, -1]
    return error


def _sum_equal_scores(values: Floats, first: NDArray[np.int64]) -> Floats:
    """Add up the columns of equal scores; `first` holds the first column of each score."""
    if len(first) == values.shape[1]:
        return values
    sums: Floats = np.add.reduceat(values, first, axis=1)
    return sums
