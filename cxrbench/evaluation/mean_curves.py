"""The ROC and the precision-recall curve of an entry: the mean over its heads at each x, whose area is the board's metric.

The area under a mean of curves is the mean of their areas. So the mean over folds of the mean over seeds of the curves has
exactly the AUC, and the average precision, that the entry has. Mean curves have many vertices; `thinned` drops most of them
and keeps the area.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from cxrbench.evaluation.curves import cumulative
from cxrbench.evaluation.predictions import by_fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cxrbench.evaluation.predictions import Predictions

    Floats: TypeAlias = NDArray[np.float64]

MOST_VERTICES = 400
STRAIGHT = 1e-12
"""Distance of equal vertices, and twice the area of a triangle whose vertices are on one line, up to rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A polyline.

    Attributes:
        x: float ``[vertices]``, ascending; equal neighbours are a vertical step.
        y: float ``[vertices]``.
    """

    x: Floats
    y: Floats

    @property
    def area(self) -> float:
        """The area below it."""
        return float(np.sum(np.diff(self.x) * (self.y[1:] + self.y[:-1])) / 2)


def mean_roc(predictions: Sequence[Predictions]) -> Curve:
    """Return the mean ROC curve: sensitivity over 1 - specificity. Its area is the entry's AUC."""
    heads = [(weight, *roc_points(head)) for weight, head in weighted_heads(predictions)]
    x = np.unique(np.concatenate([fpr for _, fpr, _ in heads]))
    after = sum(weight * np.interp(x, fpr, tpr) for weight, fpr, tpr in heads)
    before = sum(weight * np.interp(-x[::-1], -fpr[::-1], tpr[::-1])[::-1] for weight, fpr, tpr in heads)
    steps = Curve(x=np.repeat(x, 2), y=np.stack([before, after], axis=1).ravel())
    return thinned(_without_straight(steps))


def mean_precision_recall(predictions: Sequence[Predictions]) -> Curve:
    """Return the mean precision-recall steps. Their area is the entry's pr-auc, the average precision."""
    heads = [(weight, *precision_steps(head)) for weight, head in weighted_heads(predictions)]
    recall = np.unique(np.concatenate([recall for _, recall, _ in heads]))
    height = sum(weight * precision[np.searchsorted(reached, recall)] for weight, reached, precision in heads)
    return _as_steps(np.append(0.0, recall), np.asarray(height))


def weighted_heads(predictions: Sequence[Predictions]) -> list[tuple[float, Predictions]]:
    """Return each head with its weight in a mean over folds of the mean over seeds; the weights sum to 1."""
    folds = by_fold(predictions)
    return [(1 / (len(folds) * len(heads)), head) for heads in folds.values() for head in heads]


def roc_points(head: Predictions) -> tuple[Floats, Floats]:
    """Return 1 - specificity and sensitivity at each distinct score, from (0, 0) to (1, 1)."""
    tp, fp = _counts(head)
    return np.append(0.0, fp / fp[-1]), np.append(0.0, tp / tp[-1])


def precision_steps(head: Predictions) -> tuple[Floats, Floats]:
    """Return each distinct recall above 0, and the precision of the highest threshold that reaches it."""
    tp, fp = _counts(head)
    gains = np.diff(tp, prepend=0) > 0
    return tp[gains] / tp[-1], tp[gains] / (tp[gains] + fp[gains])


def thinned(curve: Curve, most: int = MOST_VERTICES) -> Curve:
    """Return a rising curve with at most so many vertices and the same area.

    Every second vertex is one of the curve. Between two of them, one vertex on the falling diagonal of their rectangle is
    placed so that the area stays.
    """
    if len(curve.x) <= most:
        return curve
    travelled = np.append(0.0, np.cumsum(np.abs(np.diff(curve.x)) + np.abs(np.diff(curve.y))))
    kept = np.unique(np.searchsorted(travelled, np.linspace(0, travelled[-1], most // 2)))
    areas = np.append(0.0, np.cumsum(np.diff(curve.x) * (curve.y[1:] + curve.y[:-1]) / 2))
    x, y = curve.x[kept], curve.y[kept]
    width, height = np.diff(x), np.diff(y)
    room = width * height
    share = np.divide(np.diff(areas[kept]) - y[:-1] * width, room, out=np.zeros_like(room), where=room > 0).clip(0, 1)
    between = np.stack([x[1:] - share * width, y[:-1] + share * height])
    vertices = np.insert(np.stack([x, y]), np.arange(1, len(x)), between, axis=1)
    return _without_straight(Curve(x=vertices[0], y=vertices[1]))


def _counts(head: Predictions) -> tuple[Floats, Floats]:
    rising = np.argsort(head.scores, kind="stable")
    tp, fp = cumulative(head.labels[rising], head.scores[rising], np.ones((1, len(rising))))
    return tp[0], fp[0]


def _without_straight(curve: Curve) -> Curve:
    """Return a curve without vertices that equal their predecessor or are on the line of their neighbours."""
    x, y = curve.x, curve.y
    moved = np.append(True, (np.abs(np.diff(x)) > STRAIGHT) | (np.abs(np.diff(y)) > STRAIGHT))
    x, y = x[moved], y[moved]
    turn = np.diff(x)[:-1] * np.diff(y)[1:] - np.diff(y)[:-1] * np.diff(x)[1:]
    bent = np.concatenate([[True], np.abs(turn) > STRAIGHT, [True]])
    return Curve(x=x[bent], y=y[bent])


def _as_steps(edges: Floats, height: Floats, most: int = MOST_VERTICES) -> Curve:
    """Return steps over intervals as a polyline; if they are too many, neighbours are replaced by a step of their mean."""
    changed = np.append(True, np.diff(height) != 0)
    first = np.flatnonzero(changed)
    if len(first) > most // 2:
        travelled = np.append(0.0, np.cumsum(np.diff(edges)[:-1] + np.abs(np.diff(height))))
        first = np.unique(np.searchsorted(travelled, np.linspace(0, travelled[-1], most // 2, endpoint=False)))
    ends = np.append(first, len(height))
    areas = np.append(0.0, np.cumsum(np.diff(edges) * height))
    x = edges[ends]
    mean = np.diff(areas[ends]) / np.diff(x)
    return Curve(x=np.repeat(x, 2)[1:-1], y=np.repeat(mean, 2))
