"""Ranks of a leaderboard's entries and their uncertainty."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from cxrbench.errors import DataError
from cxrbench.evaluation.bootstrap import bootstrap_values, draw_patients
from cxrbench.evaluation.metrics import LOWER_IS_BETTER, metric_means, metrics
from cxrbench.evaluation.paired_tests import (
    PERMUTATIONS,
    Comparison,
    exchange_patients,
    holm,
    paired_bootstrap,
    patient_accuracy,
)
from cxrbench.evaluation.predictions import by_fold
from cxrbench.evaluation.rank_intervals import SIGNIFICANCE, difference_variances, rank_intervals

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from cxrbench.evaluation.bootstrap import FoldDraws
    from cxrbench.evaluation.predictions import Predictions

    Floats: TypeAlias = NDArray[np.float64]

PERMUTATIONS_PER_TEST = 200
TIE_DECIMALS = 12
"""Values that agree to so many decimals are ties, because the order of additions changes later decimals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An entry's rank and its uncertainty; all None for an entry that is not complete or has no stored scores.

    Attributes:
        rank: by the headline value, from 1; equal values share a rank.
        rank_low: the best rank of the 95 % interval.
        rank_high: the worst rank of the 95 % interval.
        p_first: share of the bootstrap draws in which the entry is first.
        tied: whether its difference from the leader in the ranking metric is not significant (5 %, corrected by Holm).
        p_auc: p-value of the difference in AUC from the leader, corrected by Holm; 1 for the leader.
        p_accuracy: the same for accuracy.
        unbeaten: the controls that it does not beat beyond chance.
        remarks: what else a reader should know.
    """

    rank: int | None = None
    rank_low: int | None = None
    rank_high: int | None = None
    p_first: float | None = None
    tied: bool | None = None
    p_auc: float | None = None
    p_accuracy: float | None = None
    unbeaten: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """A rank, from 1, and the best and the worst rank of its 95 % interval."""

    rank: int
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampled:
    """The metrics of entries and their values in shared bootstrap draws of the patients.

    Attributes:
        folds: metrics of each fold, by entry.
        points: headline value by entry and metric, the mean over folds.
        values: headline value in each draw by entry and metric, float ``[draws]``.
    """

    folds: Mapping[str, Sequence[Mapping[str, float]]]
    points: Mapping[str, Mapping[str, float]]
    values: Mapping[str, Mapping[str, Floats]]

    def difference(self, first: str, second: str, metric: str) -> Comparison:
        """Compare two entries by the paired bootstrap, first minus second."""
        one, other = (self.values[entry][metric] for entry in (first, second))
        return paired_bootstrap(one, other, self.of_folds(first, metric), self.of_folds(second, metric))

    def of_folds(self, entry: str, metric: str) -> list[float]:
        """Return the value of each fold."""
        return [fold[metric] for fold in self.folds[entry]]


def resample(
    entries: Mapping[str, Sequence[Predictions]], names: Collection[str], *, seed: int, prevalence: float
) -> Resampled:
    """Compute metrics of entries that scored the same images, and their values in bootstrap draws of the patients.

    Raises:
        DataError: an entry was scored on different images from the first one.
    """
    if not entries:
        return Resampled(folds={}, points={}, values={})
    draws = draw_patients(next(iter(entries.values())), seed)
    folds = {name: _fold_metrics(predictions, prevalence) for name, predictions in entries.items()}
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as threads:  # NumPy releases Python's lock
        found = threads.map(lambda name: _resampled_values(name, entries[name], draws, names, prevalence), entries)
        values = dict(zip(entries, found, strict=True))
    return Resampled(folds=folds, points={name: metric_means(values) for name, values in folds.items()}, values=values)


def standings(
    entries: Mapping[str, Sequence[Predictions]], resampled: Resampled, *, metric: str, seed: int
) -> dict[str, Standing]:
    """Rank entries by a metric. `resampled` must contain this metric and the AUC.

    The rank interval is that of `rank_intervals`. Entries that tie within a draw split it for `p_first`. If several entries
    have the best headline, the leader is the first of them in the order given.
    """
    if not entries:
        return {}
    names = list(entries)
    leader = int(np.argmax(_headlines(resampled, metric)))
    p_values = {tested: _p_against(names, leader, tested, resampled) for tested in {metric, "auc"}}
    p_values["accuracy"] = _p_accuracy_against(entries, leader, seed)
    found = ranks(resampled, metric)
    first = _shares_of_first(_oriented(_draws(resampled, metric), metric))
    return {
        name: Standing(
            rank=found[name].rank,
            rank_low=found[name].low,
            rank_high=found[name].high,
            p_first=float(first[row]),
            tied=bool(p_values[metric][row] >= SIGNIFICANCE),
            p_auc=p_values["auc"][row],
            p_accuracy=p_values["accuracy"][row],
        )
        for row, name in enumerate(names)
    }


def ranks(resampled: Resampled, metric: str) -> dict[str, Rank]:
    """Rank entries by a metric; equal values share a rank. The interval is that of `rank_intervals`."""
    if not resampled.points:
        return {}
    headline, draws = _headlines(resampled, metric), _draws(resampled, metric)
    folds = np.array([resampled.of_folds(name, metric) for name in resampled.points])
    low, high = rank_intervals(headline, difference_variances(draws, folds))
    places = 1 + (headline > headline[:, None]).sum(axis=1)
    rows = zip(resampled.points, places.tolist(), low.tolist(), high.tolist(), strict=True)
    return {name: Rank(rank=place, low=best, high=worst) for name, place, best, worst in rows}


def _headlines(resampled: Resampled, metric: str) -> Floats:
    """Return the value of each entry, higher is better."""
    return _oriented(np.array([point[metric] for point in resampled.points.values()]), metric)


def _draws(resampled: Resampled, metric: str) -> Floats:
    return np.stack([values[metric] for values in resampled.values.values()])


def _resampled_values(
    name: str, predictions: Sequence[Predictions], draws: Mapping[int, FoldDraws], names: Collection[str], prevalence: float
) -> dict[str, Floats]:
    if (folds := by_fold(predictions).keys()) != draws.keys():
        raise DataError(
            f"{name}: scored on folds {sorted(folds)}, expected {sorted(draws)}; it cannot be ranked with the others"
        )
    try:
        return bootstrap_values(predictions, draws, prevalence=prevalence, names=names)
    except DataError as error:
        raise DataError(f"{name}: {error}; it cannot be ranked with the others") from None


def headlines(predictions: Sequence[Predictions], prevalence: float) -> dict[str, float]:
    """Return each metric: the mean over folds of the mean over seeds."""
    return metric_means(_fold_metrics(predictions, prevalence))


def _fold_metrics(predictions: Sequence[Predictions], prevalence: float) -> list[dict[str, float]]:
    """Return each metric of each fold: the mean over seeds."""
    by_head = (
        [metrics(one.labels, one.scores, one.chosen_threshold, prevalence=prevalence) for one in heads]
        for heads in by_fold(predictions).values()
    )
    return [metric_means(seeds) for seeds in by_head]


def _oriented(values: Floats, metric: str) -> Floats:
    """Return rounded values, negated where lower is better."""
    return np.round(-values if metric in LOWER_IS_BETTER else values, TIE_DECIMALS)


def _p_against(names: Sequence[str], leader: int, metric: str, resampled: Resampled) -> list[float]:
    """Return each entry's corrected p-value against the leader by the paired bootstrap."""
    others = [name for name in names if name != names[leader]]
    return _insert_leader(holm([resampled.difference(name, names[leader], metric).p for name in others]), leader)


def _p_accuracy_against(entries: Mapping[str, Sequence[Predictions]], leader: int, seed: int) -> list[float]:
    """Return each entry's corrected p-value against the leader by exchanging patients; more tests need more exchanges."""
    shares = [patient_accuracy(predictions) for predictions in entries.values()]
    patients = sorted(shares[leader])
    table = np.array([[share[patient] for patient in patients] for share in shares])
    differences = np.delete(table - table[leader], leader, axis=0)
    p_values = exchange_patients(differences, seed, max(PERMUTATIONS, PERMUTATIONS_PER_TEST * len(differences)))
    return _insert_leader(holm(p_values.tolist()), leader)


def _insert_leader(adjusted: list[float], leader: int) -> list[float]:
    return [*adjusted[:leader], 1.0, *adjusted[leader:]]


def _shares_of_first(values: Floats) -> Floats:
    """Return the share of the draws in which each entry is first, ``[entries]``, from values ``[entries, draws]``."""
    first = values == values.max(axis=0)
    shares: Floats = (first / first.sum(axis=0)).mean(axis=1)
    return shares
