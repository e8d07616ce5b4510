"""Choose the exact optimal threshold on validation scores under a named policy.

A score at or above the threshold is a positive call.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cxrbench.evaluation.bootstrap import draw_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[Any]

MEDIAN = "median-"
"""The start of a policy that takes the median of the optima of draws; the rest names the value."""
DRAWS = 200
BLOCK_WEIGHTS = 2**15
"""Elements of a block of the draws x images matrix, small enough for the processor's cache."""


def choose_threshold(
    policy: str, labels: NDArray[np.int64], scores: NDArray[np.float64], patients: Numbers | None = None
) -> float:
    """Return the best threshold under a policy. Ties go to the lowest, because a missed case costs more than a false alarm.

    Args:
        policy: ``max-f1``, ``max-accuracy``, ``youden`` (recall + specificity - 1; Youden, Cancer 1950), one of these as
            ``median-f1``, ``median-accuracy`` or ``median-youden`` (the median of its optima over draws of patients),
            ``recall>=R`` (the highest threshold that keeps that recall) or ``fixed=T``.
        labels: int ``[n]``, both classes present.
        scores: float ``[n]``.
        patients: ``[n]``, whose image it is; None if each is of another patient.
    """
    if policy.startswith("fixed="):
        return float(policy.removeprefix("fixed="))
    if policy.startswith(MEDIAN):
        return _median_optimum(policy, labels, scores, np.arange(len(labels)) if patients is None else patients)
    thresholds, true_positives, false_positives = _counts_by_threshold(labels, scores)
    positives, negatives = int(labels.sum()), int(len(labels) - labels.sum())
    if policy.startswith("recall>="):
        enough = true_positives >= float(policy.removeprefix("recall>=")) * positives - 1e-9
        return float(thresholds[enough].max())
    value = _value(policy, true_positives, false_positives, positives, negatives)
    return float(thresholds[np.flatnonzero(value == value.max())[0]])


def _value(policy: str, true_positives: Numbers, false_positives: Numbers, positives: Any, negatives: Any) -> Numbers:
    """Return what a policy maximises; equal values are equal floats, because they are quotients of equal whole numbers."""
    value: Numbers
    match policy.removeprefix(MEDIAN).removeprefix("max-"):
        case "f1":
            value = 2 * true_positives / (true_positives + false_positives + positives)
        case "accuracy":
            value = (true_positives + negatives - false_positives) / (positives + negatives)
        case "youden":
            value = true_positives * negatives - false_positives * positives
        case _:
            raise ValueError(f"unknown threshold policy {policy!r}")
    return value


def _median_optimum(policy: str, labels: NDArray[np.int64], scores: NDArray[np.float64], patients: Numbers) -> float:
    """Return the lower median of the optimal thresholds over bootstrap draws of patients, without draws of one class only.

    Each is the optimum of the images in its draw, so it does not hang on a single image as that of all images may.
    """
    falling = np.argsort(-scores, kind="stable")
    _, patient = np.unique(patients, return_inverse=True)
    draws, step = _draws(int(patient.max()) + 1), max(BLOCK_WEIGHTS // len(scores), 1)
    blocks = (draws[first : first + step][:, patient[falling]] for first in range(0, DRAWS, step))
    optima = np.concatenate([_optima(policy, labels[falling], scores[falling], weights) for weights in blocks])
    return float(np.sort(optima)[(len(optima) - 1) // 2])


def _optima(
    policy: str, labels: NDArray[np.int64], scores: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the best threshold in each draw that has both classes; scores fall, and weights are ``[draws, n]``."""
    last_of_equal = np.flatnonzero(np.diff(scores, append=np.inf))
    drawn_positives = weights @ labels
    weights = weights[(drawn_positives > 0) & (drawn_positives < weights.sum(axis=1))]
    calls = weights.cumsum(axis=1)[:, last_of_equal]
    true_positives = (weights * labels).cumsum(axis=1)[:, last_of_equal]
    positives, negatives = true_positives[:, -1:], calls[:, -1:] - true_positives[:, -1:]
    value = _value(policy, true_positives, calls - true_positives, positives, negatives)
    value[np.diff(calls, axis=1, prepend=0) == 0] = -np.inf  # no image with this score is in the draw
    lowest_best = value.shape[1] - 1 - value[:, ::-1].argmax(axis=1)
    optima: NDArray[np.float64] = scores[last_of_equal[lowest_best]]
    return optima


@lru_cache(maxsize=8)
def _draws(patients: int) -> NDArray[np.float64]:
    """Return how often each patient is in each draw; it depends on their number alone, so all trials share the draws."""
    weights = draw_weights(np.random.default_rng(patients), DRAWS, patients)
    weights.flags.writeable = False
    return weights


def _counts_by_threshold(
    labels: NDArray[np.int64], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct scores, ascending, and the true and false positives with each as the threshold."""
    thresholds, position = np.unique(scores, return_inverse=True)
    positives = np.bincount(position, weights=labels, minlength=len(thresholds))
    images = np.bincount(position, minlength=len(thresholds))
    true_positives = positives[::-1].cumsum()[::-1].astype(np.int64)
    return thresholds, true_positives, images[::-1].cumsum()[::-1] - true_positives
