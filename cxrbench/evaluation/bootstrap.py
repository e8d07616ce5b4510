"""Compute every metric on thousands of bootstrap draws of the patients. All entries of a protocol share the draws.

Images of one patient are correlated, so patients are resampled, not images (Field and Welsh, JRSS B 2007). A draw is a row of
weights: how often each patient was drawn. The metrics of all draws are then matrix operations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from cxrbench.errors import DataError
from cxrbench.evaluation.concordance import concordant_pairs
from cxrbench.evaluation.curves import FROM_CURVES, brier, from_curves
from cxrbench.evaluation.metrics import metric_at, metric_names
from cxrbench.evaluation.predictions import Predictions, by_fold
from cxrbench.evaluation.rates import AT_THRESHOLD, npv, ppv, rates

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

DRAWS = 2000
BLOCK_WEIGHTS = 2**16
"""Elements of a block of the draws x images matrix, small enough for the processor's cache."""
DRAWN_AT_ONCE = 2**20
"""Patients that are drawn at once; bounds the memory and changes no draw."""


@dataclass(frozen=True, kw_only=True)
class FoldDraws:
    """The bootstrap draws of one fold's patients. What all entries share is computed once.

    Attributes:
        patients: str ``[p]``, sorted.
        images: int ``[p]``, images of each patient.
        positives: int ``[p]``, images of the positive class of each patient.
        weights: float ``[draws, p]``, how often each patient was drawn.
    """

    patients: NDArray[np.str_]
    images: NDArray[np.int64]
    positives: NDArray[np.int64]
    weights: Floats

    @cached_property
    def class_counts(self) -> tuple[Floats, Floats]:
        """The positive and the negative images in each draw, each ``[draws]``."""
        return self.weights @ self.positives, self.weights @ (self.images - self.positives)

    @cached_property
    def by_patient(self) -> Floats:
        """The weights of each patient in all draws, one after the other in memory, ``[p, draws]``."""
        return np.ascontiguousarray(self.weights.T)

    def rows(self, predictions: Predictions) -> NDArray[np.int64]:
        """Return the patient number of each image ``[n]``; raise DataError if the images are not those of the fold."""
        index = np.minimum(np.searchsorted(self.patients, predictions.patients), len(self.patients) - 1)
        images, positives = _per_patient(index, predictions.labels, len(self.patients))
        same_patients = np.array_equal(self.patients[index], predictions.patients)
        if not (same_patients and np.array_equal(images, self.images) and np.array_equal(positives, self.positives)):
            raise DataError(f"fold {predictions.fold}, seed {predictions.seed}: scored on different images")
        return index

    def within(self, some: Predictions) -> tuple[FoldDraws, NDArray[np.int64]]:
        """Return the draws of the patients of some of the fold's images of both classes, and the number of each, ``[draws]``.

        In place of a draw that lacks one of the two classes among them, the next one stands that has both.
        """
        patients, index = np.unique(some.patients, return_inverse=True)
        images, positives = _per_patient(index, some.labels, len(patients))
        weights = np.take(self.weights, np.searchsorted(self.patients, patients), axis=1)
        within = FoldDraws(patients=patients, images=images, positives=positives, weights=weights)
        having = np.flatnonzero(np.minimum(*within.class_counts))
        numbers = having[np.searchsorted(having, np.arange(len(weights))) % len(having)]
        return (within if len(having) == len(weights) else replace(within, weights=weights[numbers])), numbers


def draw_patients(predictions: Sequence[Predictions], seed: int, draws: int = DRAWS) -> dict[int, FoldDraws]:
    """Resample each fold's patients with replacement; return the draws by fold.

    A draw depends only on the seed, the fold and the fold's patients, so all entries of a protocol get the same draws.
    The share of each class varies between draws, as it does between real groups of patients. A draw that lacks a class is
    drawn again, because the metrics need both.

    Raises:
        DataError: a fold lacks a class.
    """
    return {fold: _fold_draws(heads[0], seed, draws) for fold, heads in by_fold(predictions).items()}


def bootstrap_values(
    predictions: Sequence[Predictions],
    draws: Mapping[int, FoldDraws],
    *,
    prevalence: float,
    also_at: Sequence[float] = (),
    names: Collection[str] | None = None,
) -> dict[str, Floats]:
    """Return the values ``[draws]`` of each named metric (all if `names` is None): mean over folds of the mean over seeds.

    Undefined values are as in `metrics`.

    Raises:
        DataError: the predictions are of different images from those of the draws.
    """
    wanted = metric_names(also_at) if names is None else tuple(names)
    folds = [_fold_values(heads, draws[fold], prevalence, also_at, wanted) for fold, heads in by_fold(predictions).items()]
    return {name: _elementwise_mean([fold[name] for fold in folds]) for name in wanted}


def _fold_draws(predictions: Predictions, seed: int, draws: int) -> FoldDraws:
    patients, index = np.unique(predictions.patients, return_inverse=True)
    images, positives = _per_patient(index, predictions.labels, len(patients))
    if not 0 < positives.sum() < images.sum():
        raise DataError(f"fold {predictions.fold} has test images of one class only: metrics need both classes")
    generator = np.random.default_rng([seed, predictions.fold])
    weights = draw_weights(generator, draws, len(patients))
    while (lacking := (weights @ positives == 0) | (weights @ (images - positives) == 0)).any():
        weights[lacking] = draw_weights(generator, int(lacking.sum()), len(patients))
    return FoldDraws(patients=patients, images=images, positives=positives, weights=weights)


def draw_weights(generator: np.random.Generator, draws: int, patients: int) -> Floats:
    """Draw patients with replacement, as many as there are; return how often each was drawn, float ``[draws, patients]``."""
    weights = np.empty((draws, patients))
    step = max(DRAWN_AT_ONCE // patients, 1)
    for first in range(0, draws, step):
        block = weights[first : first + step]
        drawn = generator.integers(patients, size=block.shape) + patients * np.arange(len(block))[:, None]
        block[:] = np.bincount(drawn.ravel(), minlength=block.size).reshape(block.shape)
    return weights


def _per_patient(
    index: NDArray[np.int64], labels: NDArray[np.int64], patients: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the images and the positive images of each patient."""
    return np.bincount(index, minlength=patients), np.bincount(index[labels == 1], minlength=patients)


def _fold_values(
    predictions: Sequence[Predictions], fold: FoldDraws, prevalence: float, also_at: Sequence[float], names: Collection[str]
) -> dict[str, Floats]:
    """Return each named metric in each draw, the mean over a fold's seeds."""
    rows = [fold.rows(head) for head in predictions]
    values = {"auc": _bootstrap_auc(predictions, rows, fold)} if "auc" in names else {}
    others = [name for name in names if name != "auc"]
    if others:
        sums = _drawn_sums(predictions, rows, fold, also_at)
        seeds = [
            _from_sums(total, fold, prevalence, also_at) | _from_curves(head, row, fold, others)
            for head, row, total in zip(predictions, rows, sums, strict=True)
        ]
        values |= {name: _elementwise_mean([seed[name] for seed in seeds]) for name in others}
    return values


def _drawn_sums(
    predictions: Sequence[Predictions], rows: Sequence[NDArray[np.int64]], fold: FoldDraws, also_at: Sequence[float]
) -> Floats:
    """Return sums over images in each draw ``[heads, sums, draws]``: sum per patient once, then take one matrix product.

    They are the true and the false positives at each threshold, and the squared errors.
    """
    sums = []
    for head, row in zip(predictions, rows, strict=True):
        positive_calls = [head.scores >= threshold for threshold in (head.chosen_threshold, *also_at)]
        columns = [calls & (head.labels == label) for calls in positive_calls for label in (1, 0)]
        columns.append(brier(head.labels, head.scores))
        sums += [np.bincount(row, weights=column, minlength=len(fold.patients)) for column in columns]
    return (fold.weights @ np.stack(sums, axis=1)).T.reshape(len(predictions), -1, len(fold.weights))


def _from_sums(sums: Floats, fold: FoldDraws, prevalence: float, also_at: Sequence[float]) -> dict[str, Floats]:
    """Return the metrics of a head that are functions of its sums over images."""
    positives, negatives = fold.class_counts
    values = rates(sums[0], sums[1], positives, negatives)
    values["ppv"] = ppv(values["recall"], values["specificity"], prevalence)
    values["npv"] = npv(values["recall"], values["specificity"], prevalence)
    for number, threshold in enumerate(also_at, start=1):
        further = rates(sums[2 * number], sums[2 * number + 1], positives, negatives)
        values |= {metric_at(name, threshold): further[name] for name in AT_THRESHOLD}
    return values | {"brier": sums[-1] / (positives + negatives)}


def _from_curves(head: Predictions, rows: NDArray[np.int64], fold: FoldDraws, names: Collection[str]) -> dict[str, Floats]:
    """Return the metrics of a head that need all its scores, if one of them is wanted."""
    if set(FROM_CURVES).isdisjoint(names):
        return {}
    rising = np.argsort(head.scores, kind="stable")
    labels, scores = head.labels[rising], head.scores[rising]
    blocks = [from_curves(labels, scores, weights, names) for weights in image_weights(fold, rows[rising])]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _bootstrap_auc(predictions: Sequence[Predictions], rows: Sequence[NDArray[np.int64]], fold: FoldDraws) -> Floats:
    """Return the mean over seeds of the AUC in each draw.

    The concordant pairs are added up before the division, which all seeds share, because these sums are exact.
    """
    positives, negatives = fold.class_counts
    heads = zip(predictions, rows, strict=True)
    pairs = [concordant_pairs(head.labels, head.scores, fold.by_patient, row) for head, row in heads]
    return _elementwise_mean(pairs) / (positives * negatives)


def _elementwise_mean(values: Sequence[Floats]) -> Floats:
    total: Floats = np.sum(values, axis=0)
    return total / len(values)


def image_weights(fold: FoldDraws, rows: NDArray[np.int64]) -> Iterator[Floats]:
    """Yield the weights of the images in blocks of draws, each float ``[draws of the block, n]``."""
    step = max(BLOCK_WEIGHTS // len(rows), 1)
    for first in range(0, len(fold.weights), step):
        yield fold.weights[first : first + step][:, rows]
