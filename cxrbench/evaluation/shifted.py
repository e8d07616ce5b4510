"""Scores of shifted images: their mean over shifts, and what a shift costs the threshold and the calibration."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.evaluation.metrics import auc, search_metric
from cxrbench.evaluation.predictions import by_fold
from cxrbench.evaluation.threshold import choose_threshold

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from cxrbench.evaluation.predictions import Predictions

SEEDS_PER_SHIFT = 1000
"""More than a protocol may have."""
ITERATIONS = 50
CONVERGED = 1e-10
LARGEST_SLOPE = 100.0
"""A larger slope means that the scores separate the classes, so that no finite slope is best."""


def as_repeats(shifts: Iterable[Sequence[Predictions]]) -> list[Predictions]:
    """Return the predictions of the same heads under several shifts as if each were a further seed.

    All are of the same images, so means over seeds become means over shifts and seeds, in every draw of the bootstrap, too.
    """
    numbered = enumerate(shifts)
    return [replace(head, seed=SEEDS_PER_SHIFT * number + head.seed) for number, heads in numbered for head in heads]


def worst_shift(repeats: Sequence[Predictions]) -> tuple[Predictions, ...]:
    """Return the predictions of the shift with the lowest AUC, from those that `as_repeats` returned."""
    shifts: dict[int, list[Predictions]] = {}
    for head in repeats:
        shifts.setdefault(head.seed // SEEDS_PER_SHIFT, []).append(head)
    worst = min(shifts.values(), key=_mean_auc)
    return tuple(worst)


def best_accuracy(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Return the accuracy at the threshold that is best on these very images: a diagnostic, never a result."""
    return search_metric("accuracy", labels, scores, choose_threshold("max-accuracy", labels, scores))


def recalibration(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return slope and intercept of the logistic regression of labels on logits (Cox, Biometrika 45:562, 1958).

    1 and 0 if the scores are calibrated. None if it does not converge, as where the classes are separated.
    """
    logits = np.log(np.clip(scores, 1e-12, 1) / np.clip(1 - scores, 1e-12, 1))
    design, coefficients = np.stack([logits, np.ones_like(logits)], axis=1), np.array([1.0, 0.0])
    for _ in range(ITERATIONS):  # Newton's method
        fitted = 1 / (1 + np.exp(-np.clip(design @ coefficients, -50, 50)))
        hessian = (design * (fitted * (1 - fitted))[:, None]).T @ design
        if not np.isfinite(hessian).all() or np.linalg.cond(hessian) > 1 / CONVERGED:
            return None
        step = np.linalg.solve(hessian, design.T @ (labels - fitted))
        coefficients += step
        if np.abs(coefficients).max() > LARGEST_SLOPE:
            return None
        if np.abs(step).max() < CONVERGED:
            return float(coefficients[0]), float(coefficients[1])
    return None


def _mean_auc(heads: list[Predictions]) -> float:
    """Return the mean over folds of the mean over seeds."""
    folds = [[auc(head.labels, head.scores) for head in found] for found in by_fold(heads).values()]
    return float(np.mean([np.mean(found) for found in folds]))
