"""How far the mean ROC and precision-recall curves of an entry vary between groups of patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from cxrbench.evaluation.bootstrap import draw_patients, image_weights
from cxrbench.evaluation.curves import cumulative
from cxrbench.evaluation.mean_curves import weighted_heads

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from cxrbench.evaluation.bootstrap import FoldDraws
    from cxrbench.evaluation.predictions import Predictions

    Floats: TypeAlias = NDArray[np.float64]

GRID = np.linspace(0, 1, 51)
"""Where curves are compared: values of 1 - specificity, or of recall."""
EXACT = 6
"""Decimals of a wanted count: 0.02 x 50 shall be 1."""
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
    heads = [(weight, _values(head, [np.ones((1, len(head.labels)))])) for weight, head in weighted_heads(predictions)]
    roc, precision = (np.sum([weight * values[number][0] for weight, values in heads], axis=0) for number in (0, 1))
    return roc, precision


def _resampled(head: Predictions, fold: FoldDraws) -> tuple[Floats, Floats]:
    """Return sensitivity and precision on the grid, each float ``[draws, GRID]``."""
    rising = np.argsort(head.scores, kind="stable")
    return _values(head, image_weights(fold, fold.rows(head)[rising]))


def _values(head: Predictions, blocks: Iterable[Floats]) -> tuple[Floats, Floats]:
    """Return sensitivity and precision on the grid for blocks of weights of the images, by ascending score."""
    rising = np.argsort(head.scores, kind="stable")
    labels, scores = head.labels[rising], head.scores[rising]
    counts = [cumulative(labels, scores, weights) for weights in blocks]
    return np.concatenate([_sensitivity(*one) for one in counts]), np.concatenate([_precision(*one) for one in counts])


def _sensitivity(tp: Floats, fp: Floats) -> Floats:
    """Return the sensitivity at each 1 - specificity of the grid; on a vertical step, its upper end."""
    tp, fp = (np.pad(counts, ((0, 0), (1, 0))) for counts in (tp, fp))
    wanted = np.round(GRID * fp[:, -1:], EXACT)
    before = _places(fp, wanted, "right") - 1
    after = np.minimum(before + 1, fp.shape[1] - 1)
    x, y = (np.take_along_axis(counts, before, axis=1) for counts in (fp, tp))
    width, height = (np.take_along_axis(counts, after, axis=1) - start for counts, start in ((fp, x), (tp, y)))
    share = np.divide(wanted - x, width, out=np.zeros_like(wanted), where=width > 0)
    sensitivity: Floats = (y + share * height) / tp[:, -1:]
    return sensitivity


def _precision(tp: Floats, fp: Floats) -> Floats:
    """Return the precision of the highest threshold that reaches each recall of the grid; at 0, of the first positive."""
    wanted = np.maximum(np.round(GRID * tp[:, -1:], EXACT), 0.5)
    reached = _places(tp, wanted, "left")
    found, false = (np.take_along_axis(counts, reached, axis=1) for counts in (tp, fp))
    precision: Floats = found / (found + false)
    return precision


def _places(counts: Floats, wanted: Floats, side: Literal["left", "right"]) -> NDArray[np.int64]:
    """Return `np.searchsorted` of each row; one search in all rows, each lifted above the former, takes far less time."""
    number = np.arange(len(counts))[:, None]
    lifted = number * (counts.max() + 1)
    found = np.searchsorted((counts + lifted).ravel(), (wanted + lifted).ravel(), side=side)
    places: NDArray[np.int64] = found.reshape(wanted.shape) - number * counts.shape[1]
    return places


def _band(values: Floats) -> Band:
    low, high = np.percentile(values, ENDS, axis=0)
    return Band(low=low, high=high)
