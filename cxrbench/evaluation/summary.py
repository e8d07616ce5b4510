"""One entry in numbers: every metric, how sure it is, and how much the seed of the training matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.evaluation.bootstrap import bootstrap_values, draw_patients
from cxrbench.evaluation.intervals import effective_patients, interval, nadeau_bengio, wilson
from cxrbench.evaluation.metrics import metrics
from cxrbench.evaluation.predictions import by_fold
from cxrbench.evaluation.rates import npv, ppv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from cxrbench.evaluation.predictions import Predictions

    Interval: TypeAlias = tuple[float, float]
    Folds: TypeAlias = Mapping[int, Mapping[int, Mapping[str, float]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What is known of an entry.

    Attributes:
        metrics: the mean over folds of the mean over seeds.
        intervals: 95 %, low and high, of each metric.
        seed_spread: the standard deviation over seeds of the mean over folds; empty with one seed. It is no interval: it says
            how much training differs, not how much other patients would.
    """

    metrics: dict[str, float]
    intervals: dict[str, Interval]
    seed_spread: dict[str, float]


def summarise(
    units: Sequence[Predictions],
    *,
    seed: int,
    prevalence: float,
    also_at: Sequence[float] = (),
) -> Summary:
    """Compute everything that a row of the leaderboard says of its entry's scores.

    With one fold the intervals come from resampled patients; with several from the differences between folds
    (`nadeau_bengio`), which also hold what learning from other images would change.

    Args:
        units: all folds and seeds.
        seed: of the resampling.
        prevalence: of pneumonia where ppv and npv shall hold.
        also_at: further thresholds.
    """
    folds = {
        fold: {
            unit.seed: metrics(unit.labels, unit.scores, unit.operating_point, prevalence=prevalence, also_at=also_at)
            for unit in members
        }
        for fold, members in by_fold(units).items()
    }
    fold_means = {fold: _means(list(seeds.values())) for fold, seeds in folds.items()}
    headline = _means(list(fold_means.values()))
    if len(folds) == 1:
        intervals = _from_patients(units, headline, seed, prevalence, also_at)
    else:
        intervals = _from_folds(units, headline, list(fold_means.values()))
    intervals |= _predictive(headline, intervals, prevalence)
    return Summary(metrics=headline, intervals=intervals, seed_spread=_seed_spread(folds))


def _from_patients(
    units: Sequence[Predictions], headline: Mapping[str, float], seed: int, prevalence: float, also_at: Sequence[float]
) -> dict[str, Interval]:
    draws = draw_patients(units, seed)
    values = bootstrap_values(units, draws, prevalence=prevalence, also_at=also_at)
    patients = effective_patients(units)
    return {name: interval(name, point, values[name], patients) for name, point in headline.items()}


def _from_folds(
    units: Sequence[Predictions], headline: Mapping[str, float], fold_means: Sequence[Mapping[str, float]]
) -> dict[str, Interval]:
    patients = effective_patients(units)
    found, test_to_learning = {}, 1 / (len(fold_means) - 1)  # each fold learns from all the others
    for name, point in headline.items():
        found[name] = nadeau_bengio([fold[name] for fold in fold_means], test_to_learning)
        if not 0 < point < 1:  # all folds agree and say nothing
            found[name] = wilson(patients.behind(name) * point, patients.behind(name))
    return found


def _predictive(headline: Mapping[str, float], intervals: Mapping[str, Interval], prevalence: float) -> dict[str, Interval]:
    """Return the intervals of predictive values at 0 or 1, which rise with both sensitivity and specificity: from theirs."""
    recall, specificity = intervals["recall"], intervals["specificity"]
    return {
        name: (float(value(recall[0], specificity[0], prevalence)), float(value(recall[1], specificity[1], prevalence)))
        for name, value in (("ppv", ppv), ("npv", npv))
        if not 0 < headline[name] < 1
    }


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def _seed_spread(folds: Folds) -> dict[str, float]:
    seeds = sorted({seed for fold in folds.values() for seed in fold})
    if len(seeds) < 2:
        return {}
    means = [_means([fold[seed] for fold in folds.values() if seed in fold]) for seed in seeds]
    return {name: float(np.std([mean[name] for mean in means], ddof=1)) for name in means[0]}
