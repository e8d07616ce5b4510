"""Summarise one entry: every metric, its interval and its spread over training seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.evaluation.bootstrap import bootstrap_values, draw_patients
from cxrbench.evaluation.intervals import effective_patients, interval
from cxrbench.evaluation.metrics import metric_means, metric_names, metrics
from cxrbench.evaluation.predictions import by_fold
from cxrbench.evaluation.rates import npv, ppv

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import TypeAlias

    from cxrbench.evaluation.bootstrap import Floats, FoldDraws
    from cxrbench.evaluation.intervals import EffectivePatients
    from cxrbench.evaluation.predictions import Predictions

    Interval: TypeAlias = tuple[float, float]
    MetricsByFold: TypeAlias = Mapping[int, Mapping[int, Mapping[str, float]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The metrics of one entry.

    Attributes:
        metrics: the mean over folds of the mean over seeds.
        intervals: (low, high) of each metric's 95 % interval.
        seed_spread: the standard deviation over seeds of the mean over folds; empty with one seed. It measures the variation of
            training only, while the intervals measure the variation between patients.
    """

    metrics: dict[str, float]
    intervals: dict[str, Interval]
    seed_spread: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the summary of an entry is computed from.

    Attributes:
        folds: all metrics of each head, by fold and seed.
        draws: the values ``[draws]`` of each metric to summarise: mean over folds of the mean over seeds.
        patients: effective numbers, summed over folds.
        prevalence: of the positive class, for ppv and npv.
    """

    folds: MetricsByFold
    draws: Mapping[str, Floats]
    patients: EffectivePatients
    prevalence: float

    def summary(self) -> Summary:
        """Return the metrics with their intervals and seed spread."""
        fold_means = {fold: metric_means(list(seeds.values())) for fold, seeds in self.folds.items()}
        means = metric_means(list(fold_means.values()))
        headline = {name: means[name] for name in means if name in self.draws}
        intervals = {
            name: interval(name, [fold[name] for fold in fold_means.values()], self.draws[name], self.patients)
            for name in headline
        }
        intervals |= _predictive_intervals(headline, intervals, self.prevalence)
        return Summary(metrics=headline, intervals=intervals, seed_spread=_seed_spread(self.folds))


def measure(
    predictions: Sequence[Predictions],
    *,
    seed: int,
    prevalence: float,
    also_at: Sequence[float] = (),
    names: Collection[str] | None = None,
    drawn: Mapping[int, FoldDraws] | None = None,
) -> Measured:
    """Compute the metrics of an entry's heads, and their values in every draw; arguments as `summarise`."""
    folds = {
        fold: {
            head.seed: metrics(head.labels, head.scores, head.chosen_threshold, prevalence=prevalence, also_at=also_at)
            for head in heads
        }
        for fold, heads in by_fold(predictions).items()
    }
    wanted = [name for name in metric_names(also_at) if names is None or name in names]
    draws = bootstrap_values(
        predictions, drawn or draw_patients(predictions, seed), prevalence=prevalence, also_at=also_at, names=wanted
    )
    return Measured(folds=folds, draws=draws, patients=effective_patients(predictions), prevalence=prevalence)


def mean_measured(shifts: Sequence[Measured]) -> Measured:
    """Return the mean over shifts of the same images, scored by the same heads and resampled by the same draws."""
    first = shifts[0]
    folds = {
        fold: {seed: metric_means([one.folds[fold][seed] for one in shifts]) for seed in seeds}
        for fold, seeds in first.folds.items()
    }
    draws = {name: np.mean([one.draws[name] for one in shifts], axis=0) for name in first.draws}
    return replace(first, folds=folds, draws=draws)


def summarise(
    predictions: Sequence[Predictions],
    *,
    seed: int,
    prevalence: float,
    also_at: Sequence[float] = (),
    names: Collection[str] | None = None,
    drawn: Mapping[int, FoldDraws] | None = None,
) -> Summary:
    """Compute the metrics, intervals and seed spread of an entry.

    Args:
        predictions: of all folds and seeds.
        seed: of the resampling.
        prevalence: of the positive class, for ppv and npv.
        also_at: further thresholds.
        names: of the metrics; None for all. Those of curves take most of the time.
        drawn: the draws of `draw_patients` for these images and this seed, if they are at hand.
    """
    return measure(predictions, seed=seed, prevalence=prevalence, also_at=also_at, names=names, drawn=drawn).summary()


def _predictive_intervals(
    headline: Mapping[str, float], intervals: Mapping[str, Interval], prevalence: float
) -> dict[str, Interval]:
    """Return the intervals of predictive values at 0 or 1, from those of sensitivity and specificity, with which they rise."""
    return {
        name: (
            float(value(intervals["recall"][0], intervals["specificity"][0], prevalence)),
            float(value(intervals["recall"][1], intervals["specificity"][1], prevalence)),
        )
        for name, value in (("ppv", ppv), ("npv", npv))
        if name in headline and not 0 < headline[name] < 1
    }


def _seed_spread(folds: MetricsByFold) -> dict[str, float]:
    seeds = sorted({seed for fold in folds.values() for seed in fold})
    if len(seeds) < 2:
        return {}
    means = [metric_means([fold[seed] for fold in folds.values() if seed in fold]) for seed in seeds]
    return {name: float(np.std([mean[name] for mean in means], ddof=1)) for name in means[0]}
