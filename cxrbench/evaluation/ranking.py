"""How sure the order of a leaderboard is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.errors import DataError
from cxrbench.evaluation.bootstrap import bootstrap_values, draw_patients
from cxrbench.evaluation.metrics import LOWER_IS_BETTER, metrics
from cxrbench.evaluation.paired_tests import (
    PERMUTATIONS,
    Comparison,
    exchange_patients,
    holm,
    paired_bootstrap,
    patient_accuracy,
)
from cxrbench.evaluation.predictions import by_fold, mean_over_folds

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from cxrbench.evaluation.bootstrap import PatientDraws
    from cxrbench.evaluation.predictions import Predictions

    Floats: TypeAlias = NDArray[np.float64]

SIGNIFICANCE = 0.05
PERMUTATIONS_A_TEST = 200
DECIMALS = 12
"""Values that differ by less are equal: the order of additions may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An entry's place and how sure it is.

    Attributes:
        rank: by the headline, from 1; equal values share one.
        rank_low: the best rank of the 95 % interval.
        rank_high: the worst rank of the 95 % interval.
        p_first: share of the resampled test sets on which it would have been first.
        tied: whether the ranking metric does not tell it apart from the leader at 5 %, corrected for the number of entries.
        p_auc: of the difference in AUC from the leader, corrected by Holm; 1 for the leader.
        p_accuracy: of the difference in accuracy, likewise.
    """

    rank: int
    rank_low: int
    rank_high: int
    p_first: float
    tied: bool
    p_auc: float
    p_accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampled:
    """Entries on the same resamplings of the patients.

    Attributes:
        points: by entry and metric, the headline.
        values: by entry and metric, the headline in each resampling, float ``[draws]``.
    """

    points: Mapping[str, Mapping[str, float]]
    values: Mapping[str, Mapping[str, Floats]]

    def difference(self, first: str, second: str, metric: str) -> Comparison:
        """Compare two entries by the paired bootstrap, first minus second."""
        point = self.points[first][metric] - self.points[second][metric]
        return paired_bootstrap(self.values[first][metric], self.values[second][metric], point)


def resample(
    entries: Mapping[str, Sequence[Predictions]], names: Collection[str], *, seed: int, prevalence: float
) -> Resampled:
    """Compute metrics of entries that scored the same images, and their values on resampled patients.

    Raises:
        DataError: an entry was scored on other images than the first one.
    """
    if not entries:
        return Resampled(points={}, values={})
    draws = draw_patients(next(iter(entries.values())), seed)
    return Resampled(
        points={name: _points(units, names, prevalence) for name, units in entries.items()},
        values={name: _values(name, units, draws, names, prevalence) for name, units in entries.items()},
    )


def standings(
    entries: Mapping[str, Sequence[Predictions]], resampled: Resampled, *, metric: str, seed: int
) -> dict[str, Standing]:
    """Rank entries by a metric, which must be among the resampled ones, as must the AUC.

    The rank interval goes from the 2.5 % to the 97.5 % quantile of the rank inside each resampling (Hall and Miller, Annals of
    Statistics 2009). Entries equal inside one count with their best shared place for the low end and with their worst for the
    high end; for `p_first` they share it. The leader is the first entry, in the order given, that has the best headline.
    """
    if not entries:
        return {}
    names = list(entries)
    headline = _oriented(np.array([resampled.points[name][metric] for name in names]), metric)
    draws = _oriented(np.stack([resampled.values[name][metric] for name in names]), metric)
    leader = int(np.argmax(headline))
    tests = {wanted: _against(names, leader, wanted, resampled) for wanted in {metric, "auc"}}
    tests["accuracy"] = _accuracy_against(entries, leader, seed)
    low, high, first = _places(draws)
    ranks = 1 + (headline > headline[:, None]).sum(axis=1)
    return {
        name: Standing(
            rank=int(ranks[row]),
            rank_low=min(int(low[row]), int(ranks[row])),
            rank_high=max(int(high[row]), int(ranks[row])),
            p_first=float(first[row]),
            tied=bool(tests[metric][row] >= SIGNIFICANCE),
            p_auc=tests["auc"][row],
            p_accuracy=tests["accuracy"][row],
        )
        for row, name in enumerate(names)
    }


def _values(
    name: str, units: Sequence[Predictions], draws: PatientDraws, wanted: Collection[str], prevalence: float
) -> dict[str, Floats]:
    if (folds := by_fold(units).keys()) != draws.folds.keys():
        raise DataError(
            f"{name}: scored on folds {sorted(folds)}, not {sorted(draws.folds)}: it cannot be ranked with the others"
        )
    try:
        return bootstrap_values(units, draws, prevalence=prevalence, names=wanted)
    except DataError as error:
        raise DataError(f"{name}: {error}; it cannot be ranked with the others") from None


def _points(units: Sequence[Predictions], wanted: Collection[str], prevalence: float) -> dict[str, float]:
    found = {
        fold: [metrics(unit.labels, unit.scores, unit.operating_point, prevalence=prevalence) for unit in members]
        for fold, members in by_fold(units).items()
    }
    return {name: mean_over_folds({fold: [seed[name] for seed in seeds] for fold, seeds in found.items()}) for name in wanted}


def _oriented(values: Floats, metric: str) -> Floats:
    return np.round(-values if metric in LOWER_IS_BETTER else values, DECIMALS)


def _against(names: Sequence[str], leader: int, metric: str, resampled: Resampled) -> list[float]:
    """Return each entry's corrected p-value against the leader, by the paired bootstrap."""
    others = [name for name in names if name != names[leader]]
    return _with_leader(holm([resampled.difference(name, names[leader], metric).p for name in others]), leader)


def _accuracy_against(entries: Mapping[str, Sequence[Predictions]], leader: int, seed: int) -> list[float]:
    """Return each entry's corrected p-value against the leader, by exchanging patients often enough for so many tests."""
    shares = [patient_accuracy(units) for units in entries.values()]
    patients = sorted(shares[leader])
    table = np.array([[share[patient] for patient in patients] for share in shares])
    differences = np.delete(table - table[leader], leader, axis=0)
    found = exchange_patients(differences, seed, max(PERMUTATIONS, PERMUTATIONS_A_TEST * len(differences)))
    return _with_leader(holm(found.tolist()), leader)


def _with_leader(adjusted: list[float], leader: int) -> list[float]:
    return [*adjusted[:leader], 1.0, *adjusted[leader:]]


def _places(values: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Return low and high ranks and the probability of being first, each ``[entries]``, from values ``[entries, draws]``."""
    ordered = np.sort(values, axis=0)
    best, worst = np.empty(values.shape, dtype=np.int64), np.empty(values.shape, dtype=np.int64)
    for draw in range(values.shape[1]):
        best[:, draw] = 1 + len(values) - np.searchsorted(ordered[:, draw], values[:, draw], "right")
        worst[:, draw] = len(values) - np.searchsorted(ordered[:, draw], values[:, draw], "left")
    low = np.quantile(best, SIGNIFICANCE / 2, axis=1, method="inverted_cdf")
    high = np.quantile(worst, 1 - SIGNIFICANCE / 2, axis=1, method="inverted_cdf")
    first = best == 1
    return low.astype(np.int64), high.astype(np.int64), (first / first.sum(axis=0)).mean(axis=1)
