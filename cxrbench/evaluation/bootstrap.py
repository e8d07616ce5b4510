"""Every metric on thousands of resamplings of the patients, the same ones for all entries of a protocol.

Films of one child resemble each other, so patients are resampled, not images (Field and Welsh, JRSS B 2007). Whole matrices
take the place of loops: a draw is a row of weights, how often each patient was drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from cxrbench.errors import DataError
from cxrbench.evaluation.curves import FROM_CURVES, area, brier, cumulative, from_curves
from cxrbench.evaluation.metrics import at, metric_names
from cxrbench.evaluation.predictions import Predictions, by_fold
from cxrbench.evaluation.rates import AT_THRESHOLD, npv, ppv, rates

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

DRAWS = 2000
PAIRS = 2**22
"""Of images of opposite class; a fold with more gets its AUC from the curve, which needs less memory."""
BLOCK = 2**16
"""Numbers in a matrix of draws x images that is worked on at a time, so small that it stays in the processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldDraws:
    """The resamplings of one fold's patients.

    Attributes:
        patients: str ``[p]``, sorted.
        films: int ``[p]``, images of each patient.
        positives: int ``[p]``, those that are pneumonia.
        weights: float ``[draws, p]``, how often a patient was drawn.
    """

    patients: NDArray[np.str_]
    films: NDArray[np.int64]
    positives: NDArray[np.int64]
    weights: Floats

    def rows(self, unit: Predictions) -> NDArray[np.int64]:
        """Return the patient number of each image ``[n]``; raise DataError if these are not the fold's images."""
        index = np.minimum(np.searchsorted(self.patients, unit.patients), len(self.patients) - 1)
        films, positives = _per_patient(index, unit.labels, len(self.patients))
        known = np.array_equal(self.patients[index], unit.patients)
        if not (known and np.array_equal(films, self.films) and np.array_equal(positives, self.positives)):
            raise DataError(f"fold {unit.fold}, seed {unit.seed}: other images than the ones it is compared with")
        return index


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientDraws:
    """Resamplings of patients, by number of the fold."""

    folds: Mapping[int, FoldDraws]


def draw_patients(units: Sequence[Predictions], seed: int, draws: int = DRAWS) -> PatientDraws:
    """Resample each fold's patients with replacement.

    A draw depends on the seed, the fold and the fold's patients alone, so that all entries of a protocol get the same draws.
    Classes are not held constant, as they are not from one year's patients to the next; a draw that happens to lack a class
    is drawn again, as no metric here is defined on it.

    Raises:
        DataError: a fold lacks a class.
    """
    return PatientDraws(folds={fold: _fold_draws(members[0], seed, draws) for fold, members in by_fold(units).items()})


def bootstrap_values(
    units: Sequence[Predictions],
    draws: PatientDraws,
    *,
    prevalence: float,
    also_at: Sequence[float] = (),
    names: Collection[str] | None = None,
) -> dict[str, Floats]:
    """Return the headline, mean over folds of the mean over seeds, of each named metric (all if None) in each draw.

    Undefined values are as in `metrics`. Each value is float ``[draws]``.

    Raises:
        DataError: a unit has other images than those that the draws were made from.
    """
    wanted = metric_names(also_at) if names is None else tuple(names)
    folds = [_fold_values(members, draws.folds[fold], prevalence, also_at, wanted) for fold, members in by_fold(units).items()]
    return {name: _mean([fold[name] for fold in folds]) for name in wanted}


def _fold_draws(unit: Predictions, seed: int, draws: int) -> FoldDraws:
    patients, index = np.unique(unit.patients, return_inverse=True)
    films, positives = _per_patient(index, unit.labels, len(patients))
    if not 0 < positives.sum() < films.sum():
        raise DataError(f"fold {unit.fold} has test images of one class only: nothing can be measured on it")
    generator = np.random.default_rng([seed, unit.fold])
    weights = _weights(generator, draws, len(patients))
    while (lacking := (weights @ positives == 0) | (weights @ (films - positives) == 0)).any():
        weights[lacking] = _weights(generator, int(lacking.sum()), len(patients))
    return FoldDraws(patients=patients, films=films, positives=positives, weights=weights)


def _weights(generator: np.random.Generator, draws: int, patients: int) -> Floats:
    drawn = generator.integers(patients, size=(draws, patients)) + patients * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * patients).reshape(draws, patients).astype(np.float64)


def _per_patient(
    index: NDArray[np.int64], labels: NDArray[np.int64], patients: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.bincount(index, minlength=patients), np.bincount(index[labels == 1], minlength=patients)


def _fold_values(
    units: Sequence[Predictions], fold: FoldDraws, prevalence: float, also_at: Sequence[float], names: Collection[str]
) -> dict[str, Floats]:
    """Return the mean over a fold's seeds."""
    rows = [fold.rows(unit) for unit in units]
    found = {"auc": _auc(units, rows, fold)} if "auc" in names else {}
    others = [name for name in names if name != "auc"]
    if others:
        seeds = [
            _unit_values(unit, row, fold, prevalence=prevalence, also_at=also_at, names=others)
            for unit, row in zip(units, rows, strict=True)
        ]
        found |= {name: _mean([seed[name] for seed in seeds]) for name in others}
    return found


def _unit_values(
    unit: Predictions,
    rows: NDArray[np.int64],
    fold: FoldDraws,
    *,
    prevalence: float,
    also_at: Sequence[float],
    names: Collection[str],
) -> dict[str, Floats]:
    found = _from_sums(unit, rows, fold, also_at)
    found["ppv"] = ppv(found["recall"], found["specificity"], prevalence)
    found["npv"] = npv(found["recall"], found["specificity"], prevalence)
    if not set(FROM_CURVES).isdisjoint(names):
        rising = np.argsort(unit.scores, kind="stable")
        labels, scores = unit.labels[rising], unit.scores[rising]
        blocks = [from_curves(labels, scores, weights, names) for weights in _image_weights(fold, rows[rising])]
        found |= {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    return found


def _from_sums(unit: Predictions, rows: NDArray[np.int64], fold: FoldDraws, also_at: Sequence[float]) -> dict[str, Floats]:
    """Return what is a function of sums over images: each patient's sums once, then one matrix product."""
    called = [unit.scores >= threshold for threshold in (unit.operating_point, *also_at)]
    columns = [called_one & (unit.labels == label) for called_one in called for label in (1, 0)]
    columns.append(brier(unit.labels, unit.scores))
    sums = np.stack([np.bincount(rows, weights=column, minlength=len(fold.patients)) for column in columns], axis=1)
    totals = (fold.weights @ sums).T
    positives, images = fold.weights @ fold.positives, fold.weights @ fold.films
    found = rates(totals[0], totals[1], positives, images - positives)
    for number, threshold in enumerate(also_at, start=1):
        there = rates(totals[2 * number], totals[2 * number + 1], positives, images - positives)
        found |= {at(name, threshold): there[name] for name in AT_THRESHOLD}
    return found | {"brier": totals[-1] / images}


def _auc(units: Sequence[Predictions], rows: Sequence[NDArray[np.int64]], fold: FoldDraws) -> Floats:
    """Return the mean over seeds of the AUC in each draw.

    With M[p, q] the concordant pairs of patient p's positives and patient q's negatives, ties half, a draw with weights w has
    AUC = w M w' / (positives x negatives) (Obuchowski, Biometrics 1997, as a quadratic form); all seeds share the divisor.
    """
    positives = fold.weights @ fold.positives
    negatives = fold.weights @ (fold.films - fold.positives)
    if fold.positives.sum() * (fold.films - fold.positives).sum() > PAIRS:
        return _mean([_auc_from_curve(unit, row, fold) for unit, row in zip(units, rows, strict=True)])
    kernel = _mean([_concordant(unit, row) for unit, row in zip(units, rows, strict=True)])
    left, right = fold.weights[:, fold.positives > 0], fold.weights[:, fold.films > fold.positives]
    concordant: Floats = np.einsum("ij,ij->i", left @ kernel, right)
    return concordant / (positives * negatives)


def _concordant(unit: Predictions, rows: NDArray[np.int64]) -> Floats:
    """Return M ``[patients with positives, patients with negatives]``."""
    order = np.argsort(rows, kind="stable")
    positive, negative = order[unit.labels[order] == 1], order[unit.labels[order] == 0]
    above = unit.scores[positive][:, None] - unit.scores[negative]
    pairs = (np.sign(above) + 1) / 2
    by_negative = np.add.reduceat(pairs, np.unique(rows[negative], return_index=True)[1], axis=1)
    kernel: Floats = np.add.reduceat(by_negative, np.unique(rows[positive], return_index=True)[1], axis=0)
    return kernel


def _auc_from_curve(unit: Predictions, rows: NDArray[np.int64], fold: FoldDraws) -> Floats:
    rising = np.argsort(unit.scores, kind="stable")
    labels, scores = unit.labels[rising], unit.scores[rising]
    return np.concatenate([area(*cumulative(labels, scores, weights)) for weights in _image_weights(fold, rows[rising])])


def _mean(values: Sequence[Floats]) -> Floats:
    total: Floats = np.sum(values, axis=0)
    return total / len(values)


def _image_weights(fold: FoldDraws, rows: NDArray[np.int64]) -> Iterator[Floats]:
    """Yield the weights of images ``[some draws, n]``."""
    step = max(BLOCK // len(rows), 1)
    for first in range(0, len(fold.weights), step):
        yield fold.weights[first : first + step][:, rows]
