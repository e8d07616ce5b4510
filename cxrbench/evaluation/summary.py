"""Summarise one entry: every metric, its interval and its spread over training seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.evaluation.bootstrap import bootstrap_values, draw_patients
from cxrbench.evaluation.intervals import effective_patients, interval
from cxrbench.evaluation.metrics import metric_means, metrics
from cxrbench.evaluation.predictions import by_fold
from cxrbench.evaluation.rates import npv, ppv

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import TypeAlias

    from cxrbench.evaluation.bootstrap import FoldDraws
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
    folds = {
        fold: {
            head.seed: metrics(head.labels, head.scores, head.chosen_threshold, prevalence=prevalence, also_at=also_at)
            for head in heads
        }
        for fold, heads in by_fold(predictions).items()
    }
    fold_means = {fold: metric_means(list(seeds.values())) for fold, seeds in folds.items()}
    headline = metric_means(list(fold_means.values()))
    headline = {name: headline[name] for name in headline if names is None or name in names}
    patients, drawn = effective_patients(predictions), drawn or draw_patients(predictions, seed)
    draws = bootstrap_values(predictions, drawn, prevalence=prevalence, also_at=also_at, names=tuple(headline))
    intervals = {name: interval(name, [fold[name] for fold in fold_means.values()], draws[name], patients) for name in headline}
    intervals |= _predictive_intervals(headline, intervals, prevalence)
    return Summary(metrics=headline, intervals=intervals, seed_spread=_seed_spread(folds))


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
