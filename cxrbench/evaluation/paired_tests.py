"""Tests of whether one classifier is better than another on the same images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr, ndtr, ndtri

from cxrbench.evaluation.intervals import variance_over_folds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from cxrbench.evaluation.predictions import Predictions

    Floats: TypeAlias = NDArray[np.float64]

PERMUTATIONS = 10_000
PERMUTATION_BLOCK = 500
ROUNDING_ERROR = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A difference (first minus second), its 95 % interval and its two-sided p-value."""

    difference: float
    low: float
    high: float
    p: float


def paired_bootstrap(draws_a: Floats, draws_b: Floats, folds_a: Sequence[float], folds_b: Sequence[float]) -> Comparison:
    """Compare two entries by a metric's values in each fold ``[folds]`` and on the same resampled patients ``[draws]``.

    A z-test with the bootstrap's standard error: DeLong's test with a variance that respects patients (Obuchowski, Biometrics
    1997) and, over folds, other training images (`variance_over_folds`). A p-value that counts draws is at least 1 / (draws +
    1), too large to stay significant after Holm's correction over a hundred entries. It is used only where the difference is
    the same in all draws and folds.
    """
    differences = draws_a - draws_b
    by_fold = np.subtract(folds_a, folds_b)
    difference = sum(folds_a) / len(folds_a) - sum(folds_b) / len(folds_b)
    error = float(np.sqrt(variance_over_folds(np.asarray(differences.var(ddof=1)), by_fold)))
    half = -float(ndtri(0.025)) * error
    if abs(difference) <= ROUNDING_ERROR:
        p = 1.0
    elif error <= ROUNDING_ERROR:
        p = 1 / (len(differences) + 1)
    else:
        p = 2 * float(ndtr(-abs(difference) / error))
    return Comparison(difference=difference, low=difference - half, high=difference + half, p=p)


def permutation_accuracy(
    predictions_a: Sequence[Predictions], predictions_b: Sequence[Predictions], seed: int, draws: int = PERMUTATIONS
) -> float:
    """Return the two-sided p-value of two entries' difference in accuracy, mean over folds of the mean over seeds.

    If both entries were equally good, exchanging them for all images of a patient would change nothing. `draws` random
    exchanges show how large the difference is by chance. With one image per patient this is McNemar's test.
    """
    first, second = patient_accuracy(predictions_a), patient_accuracy(predictions_b)
    patients = sorted(first.keys() | second.keys())
    differences = np.array([[first.get(patient, 0.0) - second.get(patient, 0.0) for patient in patients]])
    return float(exchange_patients(differences, seed, draws)[0])


def patient_accuracy(predictions: Sequence[Predictions]) -> dict[tuple[int, str], float]:
    """Return what each (fold, patient) adds to the headline accuracy. The headline is the sum."""
    seeds: dict[int, int] = {}
    for head in predictions:
        seeds[head.fold] = seeds.get(head.fold, 0) + 1
    shares: dict[tuple[int, str], float] = {}
    for head in predictions:
        patients, index = np.unique(head.patients, return_inverse=True)
        correct = np.bincount(index, weights=(head.scores >= head.chosen_threshold) == (head.labels == 1))
        added = correct / (len(head.labels) * seeds[head.fold] * len(seeds))
        for patient, share in zip(patients.tolist(), added.tolist(), strict=True):
            shares[head.fold, patient] = shares.get((head.fold, patient), 0.0) + share
    return shares


def exchange_patients(differences: NDArray[np.float64], seed: int, draws: int = PERMUTATIONS) -> NDArray[np.float64]:
    """Return p-values ``[comparisons]`` from random sign flips of the patients' differences ``[comparisons, patients]``.

    p = (1 + draws at least as extreme) / (1 + draws), so never 0 (Phipson and Smyth 2010). All comparisons share the flips.
    """
    generator = np.random.default_rng(seed)
    observed = np.abs(differences.sum(axis=1)) - ROUNDING_ERROR
    extreme = np.zeros(len(differences), dtype=np.int64)
    for first in range(0, draws, PERMUTATION_BLOCK):
        size = (min(PERMUTATION_BLOCK, draws - first), differences.shape[1])
        signs = 2.0 * generator.integers(2, size=size, dtype=np.int8) - 1
        extreme += (np.abs(signs @ differences.T) >= observed).sum(axis=0)
    return (1 + extreme) / (1 + draws)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for multiple tests (Holm, Scandinavian Journal of Statistics 1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(np.asarray(p_values, dtype=float)[order] * factors), 1)
    return [float(value) for value in adjusted]


def delong(labels: NDArray[np.int64], scores_a: NDArray[np.float64], scores_b: NDArray[np.float64]) -> Comparison:
    """Compare two AUCs on the same images, one image per patient (DeLong et al., Biometrics 1988; Sun and Xu 2014, fast).

    Args:
        labels: int ``[n]``, at least two images of each class.
        scores_a: float ``[n]``.
        scores_b: float ``[n]``.
    """
    parts = [_placements(labels, scores) for scores in (scores_a, scores_b)]
    positive, negative = parts[0][0] - parts[1][0], parts[0][1] - parts[1][1]
    difference = float(positive.mean())
    error = float(np.sqrt(positive.var(ddof=1) / len(positive) + negative.var(ddof=1) / len(negative)))
    half = -float(ndtri(0.025)) * error
    p = 2 * float(ndtr(-abs(difference) / error)) if error > 0 else float(abs(difference) <= ROUNDING_ERROR)
    return Comparison(difference=difference, low=difference - half, high=difference + half, p=p)


def mcnemar_exact(labels: NDArray[np.int64], called_a: NDArray[np.bool_], called_b: NDArray[np.bool_]) -> float:
    """Return the exact two-sided p-value of a difference in accuracy on the same images, one image per patient (McNemar 1947).

    The test counts the images on which exactly one classifier is correct. By chance each is correct on half of them.
    """
    correct_a, correct_b = called_a == (labels == 1), called_b == (labels == 1)
    only_a, only_b = int(np.sum(correct_a & ~correct_b)), int(np.sum(correct_b & ~correct_a))
    return min(1.0, 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def one_image_per_patient(predictions: Sequence[Predictions]) -> bool:
    """Return whether each patient has one image. Images are then independent and the classical tests are valid."""
    return all(len(np.unique(head.patients)) == len(head.patients) for head in predictions)


def _placements(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each positive the share of negatives below it and for each negative that of positives above it; ties half."""
    positive, negative = scores[labels == 1], scores[labels == 0]
    above, below = _middle_rank(positive, negative), len(positive) - _middle_rank(negative, positive)
    return above / len(negative), below / len(positive)


def _middle_rank(values: NDArray[np.float64], among: NDArray[np.float64]) -> NDArray[np.float64]:
    ordered = np.sort(among)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2
