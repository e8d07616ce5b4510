"""How far the mean ROC and precision-recall curves of an entry vary between groups of patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from cxrbench.evaluation.bootstrap import draw_patients, image_weights
from cxrbench.evaluation.curves import cumulative
from cxrbench.evaluation.mean_curves import precision_steps, roc_points, weighted_heads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cxrbench.evaluation.bootstrap import FoldDraws
    from cxrbench.evaluation.predictions import Predictions

    Floats: TypeAlias = NDArray[np.float64]

GRID = np.linspace(0, 1, 51)
"""Where curves are compared: values of 1 - specificity, or of recall."""
ENDS = (2.5, 97.5)
"""Percentiles of a pointwise 95 % band."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A pointwise 95 % band.

    Attributes:
        low, high: float ``[GRID]``.
    """

    low: Floats
    high: Floats


def curve_bands(predictions: Sequence[Predictions], seed: int) -> tuple[Band, Band]:
    """Return the bands of the mean ROC and of the mean precision-recall curve, from the patients that every interval draws.

    Curves are averaged vertically within each draw (Fawcett, Pattern Recognition Letters 2006, section 8.2).
    """
    draws = draw_patients(predictions, seed)
    heads = [(weight, _resampled(head, draws[head.fold])) for weight, head in weighted_heads(predictions)]
    roc, precision_recall = (np.sum([weight * values[number] for weight, values in heads], axis=0) for number in (0, 1))
    return _band(roc), _band(precision_recall)


def on_grid(predictions: Sequence[Predictions]) -> tuple[Floats, Floats]:
    """Return the mean sensitivity at each 1 - specificity, and the mean precision at each recall, of `GRID`."""
    roc, precision = np.zeros_like(GRID), np.zeros_like(GRID)
    for weight, head in weighted_heads(predictions):
        roc += weight * np.interp(GRID, *roc_points(head))
        reached, height = precision_steps(head)
        precision += weight * height[np.searchsorted(reached, GRID)]
    return roc, precision


def _resampled(head: Predictions, fold: FoldDraws) -> tuple[Floats, Floats]:
    """Return sensitivity and precision on the grid, each float ``[draws, GRID]``."""
    rising = np.argsort(head.scores, kind="stable")
    labels, scores, rows = head.labels[rising], head.scores[rising], fold.rows(head)[rising]
    found = [
        _values(*counts)
        for weights in image_weights(fold, rows)
        for counts in zip(*cumulative(labels, scores, weights), strict=True)
    ]
    return np.array([roc for roc, _ in found]), np.array([precision for _, precision in found])


def _values(tp: Floats, fp: Floats) -> tuple[Floats, Floats]:
    reached = np.searchsorted(tp, np.maximum(GRID * tp[-1], 0.5))  # at recall 0, the precision of the first positive
    reached = np.minimum(reached, len(tp) - 1)
    return np.interp(GRID, fp / fp[-1], tp / tp[-1]), tp[reached] / (tp[reached] + fp[reached])


def _band(values: Floats) -> Band:
    low, high = np.percentile(values, ENDS, axis=0)
    return Band(low=low, high=high)
