"""Is one classifier better than another on the same images, or is that chance?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr, ndtr, ndtri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cxrbench.evaluation.predictions import Predictions

PERMUTATIONS = 10_000
BLOCK = 500
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A difference, first minus second, its 95 % interval and a two-sided p-value."""

    difference: float
    low: float
    high: float
    p: float


def paired_bootstrap(values_a: NDArray[np.float64], values_b: NDArray[np.float64], difference: float) -> Comparison:
    """Compare two entries by a metric's values ``[draws]`` on the same resampled patients.

    A z-test with the bootstrap's standard error, which is DeLong's test with a variance that knows of patients (Obuchowski,
    Biometrics 1997). Counting draws instead could not give less than 1 / (draws + 1), which Holm's correction over a hundred
    entries would turn into "never told apart". Where all draws agree on a difference, that count is all there is.
    """
    differences = values_a - values_b
    error = float(differences.std(ddof=1))
    half = -float(ndtri(0.025)) * error
    if abs(difference) <= ROUNDING:
        p = 1.0
    elif error <= ROUNDING:
        p = 1 / (len(differences) + 1)
    else:
        p = 2 * float(ndtr(-abs(difference) / error))
    return Comparison(difference=difference, low=difference - half, high=difference + half, p=p)


def permutation_accuracy(
    units_a: Sequence[Predictions], units_b: Sequence[Predictions], seed: int, draws: int = PERMUTATIONS
) -> float:
    """Return the two-sided p-value of two entries' difference in accuracy, mean over folds of the mean over seeds.

    If they were equally good, exchanging them for all films of a patient would change nothing: `draws` random exchanges tell
    how large a difference chance makes. At one film a patient this is McNemar's test.
    """
    first, second = patient_accuracy(units_a), patient_accuracy(units_b)
    patients = sorted(first.keys() | second.keys())
    differences = np.array([[first.get(patient, 0.0) - second.get(patient, 0.0) for patient in patients]])
    return float(exchange_patients(differences, seed, draws)[0])


def patient_accuracy(units: Sequence[Predictions]) -> dict[tuple[int, str], float]:
    """Return what each patient of each fold adds to the headline accuracy, which is their sum."""
    seeds: dict[int, int] = {}
    for unit in units:
        seeds[unit.fold] = seeds.get(unit.fold, 0) + 1
    found: dict[tuple[int, str], float] = {}
    for unit in units:
        patients, index = np.unique(unit.patients, return_inverse=True)
        right = np.bincount(index, weights=(unit.scores >= unit.operating_point) == (unit.labels == 1))
        share = right / (len(unit.labels) * seeds[unit.fold] * len(seeds))
        for patient, part in zip(patients.tolist(), share.tolist(), strict=True):
            found[unit.fold, patient] = found.get((unit.fold, patient), 0.0) + part
    return found


def exchange_patients(differences: NDArray[np.float64], seed: int, draws: int = PERMUTATIONS) -> NDArray[np.float64]:
    """Return a p-value ``[comparisons]`` for patients' differences ``[comparisons, patients]`` whose signs chance may flip.

    p = (1 + as extreme ones) / (1 + draws) (Phipson and Smyth 2010): never 0. All comparisons see the same flips.
    """
    generator = np.random.default_rng(seed)
    observed = np.abs(differences.sum(axis=1)) - ROUNDING
    extreme = np.zeros(len(differences), dtype=np.int64)
    for first in range(0, draws, BLOCK):
        size = (min(BLOCK, draws - first), differences.shape[1])
        signs = 2.0 * generator.integers(2, size=size, dtype=np.int8) - 1
        extreme += (np.abs(signs @ differences.T) >= observed).sum(axis=0)
    return (1 + extreme) / (1 + draws)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number (Holm, Scandinavian Journal of Statistics 1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(np.asarray(p_values, dtype=float)[order] * factors), 1)
    return [float(value) for value in adjusted]


def delong(labels: NDArray[np.int64], scores_a: NDArray[np.float64], scores_b: NDArray[np.float64]) -> Comparison:
    """Compare two AUCs on the same images, one film a patient (DeLong et al., Biometrics 1988; Sun and Xu 2014, fast).

    Labels int ``[n]``, scores float ``[n]``, at least two images of each class.
    """
    parts = [_placements(labels, scores) for scores in (scores_a, scores_b)]
    positive, negative = parts[0][0] - parts[1][0], parts[0][1] - parts[1][1]
    difference = float(positive.mean())
    error = float(np.sqrt(positive.var(ddof=1) / len(positive) + negative.var(ddof=1) / len(negative)))
    half = -float(ndtri(0.025)) * error
    p = 2 * float(ndtr(-abs(difference) / error)) if error > 0 else float(abs(difference) <= ROUNDING)
    return Comparison(difference=difference, low=difference - half, high=difference + half, p=p)


def mcnemar_exact(labels: NDArray[np.int64], called_a: NDArray[np.bool_], called_b: NDArray[np.bool_]) -> float:
    """Return the exact two-sided p-value of a difference in accuracy on the same images, one film a patient (McNemar 1947).

    Only images on which exactly one of the two is right tell anything; under chance half of them speak for each.
    """
    right_a, right_b = called_a == (labels == 1), called_b == (labels == 1)
    only_a, only_b = int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    return min(1.0, 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def one_film_per_patient(units: Sequence[Predictions]) -> bool:
    """Tell whether no patient has two images, so that images are independent and the classical tests hold."""
    return all(len(np.unique(unit.patients)) == len(unit.patients) for unit in units)


def _placements(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of the other class that each positive is above and each negative is below, ties half."""
    positive, negative = scores[labels == 1], scores[labels == 0]
    above, below = _middle_rank(positive, negative), len(positive) - _middle_rank(negative, positive)
    return above / len(negative), below / len(positive)


def _middle_rank(values: NDArray[np.float64], among: NDArray[np.float64]) -> NDArray[np.float64]:
    ordered = np.sort(among)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2
