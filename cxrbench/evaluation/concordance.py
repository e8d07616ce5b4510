"""Count the pairs of a positive and a negative image whose scores are in the right order, in every bootstrap draw."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]


def concordant_pairs(labels: NDArray[np.int64], scores: Floats, weights: Floats, rows: NDArray[np.int64]) -> Floats:
    """Return the weight of the concordant pairs in each draw, ``[draws]``; a tie counts half.

    Goes through the images in ascending order of score and keeps, for all draws at once, the weight of the negative images so
    far. A positive image adds its own weight times that. The sums of whole-number weights are exact.

    Args:
        labels: int ``[n]``.
        scores: float64 ``[n]``.
        weights: of each patient in each draw, ``[patients, draws]``, contiguous.
        rows: the patient of each image, int ``[n]``.
    """
    rising = np.argsort(scores, kind="stable")
    steps = np.flatnonzero(np.diff(scores[rising], prepend=-np.inf)).tolist()  # the first image of each distinct score
    patients, positive = rows[rising].tolist(), (labels[rising] == 1).tolist()
    draws = weights.shape[1]
    concordant, below, pairs = np.zeros(draws), np.zeros(draws), np.empty(draws)
    for first, last in pairwise([*steps, len(patients)]):
        if last - first > 1:
            positives, negatives = _class_weights(patients[first:last], positive[first:last], weights)
            concordant += positives * (below + negatives / 2)
            below += negatives
        elif positive[first]:
            np.multiply(weights[patients[first]], below, out=pairs)
            concordant += pairs
        else:
            below += weights[patients[first]]
    return concordant


def _class_weights(patients: list[int], positive: list[bool], weights: Floats) -> tuple[Floats, Floats]:
    """Return the weights ``[draws]`` of the positive and of the negative images among some of equal score."""
    sums = np.zeros((2, weights.shape[1]))
    for patient, is_positive in zip(patients, positive, strict=True):
        sums[0 if is_positive else 1] += weights[patient]
    return sums[0], sums[1]
