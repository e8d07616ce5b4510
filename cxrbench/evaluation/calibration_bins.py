"""How often images of a score are of the positive class: what a calibration diagram shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.evaluation.intervals import wilson
from cxrbench.evaluation.predictions import by_fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cxrbench.evaluation.predictions import Predictions

BINS = 10
COLUMNS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Images of similar score.

    Attributes:
        images: how many, the mean over seeds.
        predicted: their mean score.
        observed: the share of the positive class.
        low, high: Wilson's 95 % interval of this share.
    """

    images: float
    predicted: float
    observed: float
    low: float
    high: float


def calibration_bins(predictions: Sequence[Predictions]) -> list[CalibrationBin]:
    """Return at most ten bins of equal mass, by ascending score, over the images of all folds; equal scores share a bin.

    With several seeds each image has several scores. They are pooled, and an interval counts each image once.
    """
    labels, scores = pooled(predictions)
    _, position, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle = (counts.cumsum() - counts / 2)[position]
    bins = np.minimum((middle * BINS / len(scores)).astype(int), BINS - 1)
    seeds = len(scores) / _images(predictions)
    found = []
    for number in np.unique(bins):
        mine = bins == number
        images, observed = float(mine.sum() / seeds), float(labels[mine].mean())
        low, high = wilson(observed * images, images)
        found.append(CalibrationBin(images=images, predicted=float(scores[mine].mean()), observed=observed, low=low, high=high))
    return found


def histogram(predictions: Sequence[Predictions]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many scores of negative and of positive images are in each of 20 equal parts of 0..1."""
    labels, scores = pooled(predictions)
    columns = np.minimum((scores * COLUMNS).astype(int), COLUMNS - 1)
    return np.bincount(columns[labels == 0], minlength=COLUMNS), np.bincount(columns[labels == 1], minlength=COLUMNS)


def pooled(predictions: Sequence[Predictions]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the labels and scores of all heads."""
    return np.concatenate([head.labels for head in predictions]), np.concatenate([head.scores for head in predictions])


def _images(predictions: Sequence[Predictions]) -> int:
    return sum(len(heads[0].labels) for heads in by_fold(predictions).values())
