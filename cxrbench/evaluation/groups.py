"""Measure groups of an entry's test images, such as each sex or each site, and compare them with all of its test images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from cxrbench.evaluation.bootstrap import bootstrap_values
from cxrbench.evaluation.intervals import effective_patients, interval, variance_over_folds
from cxrbench.evaluation.metrics import SEARCHABLE, auc, metric_means, quick_metrics
from cxrbench.evaluation.paired_tests import ROUNDING_ERROR, Comparison
from cxrbench.evaluation.predictions import by_fold
from cxrbench.evaluation.summary import measure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from cxrbench.evaluation.bootstrap import FoldDraws
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.evaluation.summary import Measured, Summary

    Floats: TypeAlias = NDArray[np.float64]
    Draws: TypeAlias = NDArray[np.int64]
    Interval: TypeAlias = tuple[float, float]

GROUP_METRICS = (*SEARCHABLE, "specificity")
"""What is said of groups; metrics of whole curves would take most of the time of the bootstrap."""
LEAST_IMAGES = 30
LEAST_OF_A_CLASS = 10
"""A group with fewer images, or with fewer of a class, is not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllImages:
    """The test images of an entry, of which groups are measured.

    Attributes:
        heads: the predictions of each head, by fold.
        drawn: the bootstrap draws of each fold's patients.
        auc: of each fold, in each of its draws, float ``[draws]``: the mean over seeds.
    """

    heads: Mapping[int, Sequence[Predictions]]
    drawn: Mapping[int, FoldDraws]
    auc: Mapping[int, Floats]
    prevalence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMeasures:
    """The results of one group.

    Attributes:
        negative, positive: its images of each class, in all folds.
        folds: how many folds have images of both classes; only these are measured.
        summary: `GROUP_METRICS`, the mean over these folds of the mean over seeds; None for a group that is too small.
        difference: the AUC of the group less that of all images of these folds.
    """

    negative: int
    positive: int
    folds: int
    summary: Summary | None = None
    difference: Comparison | None = None


def all_images(predictions: Sequence[Predictions], drawn: Mapping[int, FoldDraws], prevalence: float) -> AllImages:
    """Return the test images of an entry, with the AUC of each draw of the patients."""
    heads = by_fold(predictions)
    values = {fold: bootstrap_values(of_fold, drawn, prevalence=prevalence, names=["auc"]) for fold, of_fold in heads.items()}
    return AllImages(
        heads=heads, drawn=drawn, auc={fold: value["auc"] for fold, value in values.items()}, prevalence=prevalence
    )


def measure_group(everything: AllImages, column: str, group: str) -> GroupMeasures:
    """Measure the images of one group, with the draws of the patients of all images."""
    inside = _inside(everything.heads, column, group)
    measured = _measured(inside)
    negative, positive = _counts(inside)
    counted = GroupMeasures(negative=negative, positive=positive, folds=len(measured))
    if _is_small(*_counts(measured)):
        return counted
    draws = {fold: everything.drawn[fold].within(heads[0]) for fold, heads in measured.items()}
    found = measure(
        [head for heads in measured.values() for head in heads],
        seed=0,  # nothing is drawn
        prevalence=everything.prevalence,
        names=GROUP_METRICS,
        drawn={fold: drawn for fold, (drawn, _) in draws.items()},
    )
    summary = found.summary()
    numbers = {fold: of_draws for fold, (_, of_draws) in draws.items()}
    return GroupMeasures(
        negative=negative,
        positive=positive,
        folds=len(measured),
        summary=summary,
        difference=_difference(found, summary, everything, numbers),
    )


def group_counts(predictions: Sequence[Predictions], column: str, group: str) -> tuple[int, int]:
    """Return the negative and the positive images of a group, in all folds."""
    return _counts(_inside(by_fold(predictions), column, group))


def group_metrics(predictions: Sequence[Predictions], column: str, group: str) -> dict[str, float]:
    """Return the metrics of a group as `measure_group` does, from stored predictions and without intervals."""
    folds = _measured(_inside(by_fold(predictions), column, group))
    means = [
        metric_means([quick_metrics(head.labels, head.scores, head.chosen_threshold) for head in heads])
        for heads in folds.values()
    ]
    return metric_means(means) if means else {}


def difference_from_all(values: tuple[float, float], intervals: tuple[Interval, Interval], correlation: float) -> Comparison:
    """Return the difference of a group from all images, of which it is a part, from the 95 % interval of each.

    The distances of a value from the ends of its interval stand for its standard errors, each on its side, so the interval of
    the difference is as little symmetrical as theirs are (Zou and Donner, Statistics in Medicine 2008). Which side the value of
    all images errs on depends on the share of the group in them, so the side that makes the interval longer is taken. In 94 to
    99 % of simulated data sets it contains the true difference; with the standard error of the drawn differences 75 to 97 % do
    (`benchmarks/coverage_groups.py`). The p-value is that of the normal distribution with this interval (Altman and Bland, BMJ
    2011;343:d2304).

    Args:
        values: of the group, and of all images.
        intervals: of both.
        correlation: of both, over other patients and, if they are means over folds, other training images.
    """
    (value, whole), ((low, high), (whole_low, whole_high)) = values, intervals
    difference = value - whole
    of_whole = (whole - whole_low, whole_high - whole)
    below, above = (max(_length(own, one, correlation) for one in of_whole) for own in (value - low, high - value))
    towards_zero = above if difference < 0 else below
    if abs(difference) <= ROUNDING_ERROR:
        p = 1.0
    else:
        p = 2 * float(ndtr(ndtri(0.025) * abs(difference) / max(towards_zero, ROUNDING_ERROR)))
    return Comparison(difference=difference, low=difference - below, high=difference + above, p=p)


def _inside(folds: Mapping[int, Sequence[Predictions]], column: str, group: str) -> dict[int, list[Predictions]]:
    """Return the predictions for the images of a group, by fold."""
    return {fold: [head.only(head.groups[column] == group) for head in heads] for fold, heads in folds.items()}


def _measured(folds: Mapping[int, list[Predictions]]) -> dict[int, list[Predictions]]:
    """Return the folds with images of both classes."""
    return {fold: heads for fold, heads in folds.items() if 0 < heads[0].labels.sum() < len(heads[0].labels)}


def _difference(found: Measured, summary: Summary, everything: AllImages, numbers: Mapping[int, Draws]) -> Comparison:
    """Compare the AUC of a group with that of all images of the same folds, in the same draws."""
    heads = {fold: everything.heads[fold] for fold in numbers}
    folds = [sum(auc(head.labels, head.scores) for head in of_fold) / len(of_fold) for of_fold in heads.values()]
    of_group = [metric_means(list(found.folds[fold].values()))["auc"] for fold in numbers]
    of_all = np.mean([everything.auc[fold][of_draws] for fold, of_draws in numbers.items()], axis=0)
    patients = effective_patients([head for of_fold in heads.values() for head in of_fold])
    return difference_from_all(
        (summary.metrics["auc"], sum(folds) / len(folds)),
        (summary.intervals["auc"], interval("auc", folds, of_all, patients)),
        _correlation((found.draws["auc"], of_all), (np.array(of_group), np.array(folds))),
    )


def _correlation(drawn: tuple[Floats, Floats], by_fold: tuple[Floats, Floats]) -> float:
    """Return the correlation of two means over folds, from `variance_over_folds` of each and of their difference.

    Of one split it is that of the draws ``[draws]``; 0 where one of them does not vary.
    """
    draws, folds = (np.stack([first, second, first - second]) for first, second in (drawn, by_fold))
    first, second, difference = variance_over_folds(draws.var(axis=1, ddof=1), folds)
    if min(first, second) <= ROUNDING_ERROR**2:
        return 0.0
    return float(np.clip((first + second - difference) / (2 * np.sqrt(first * second)), -1, 1))


def _length(first: float, second: float, correlation: float) -> float:
    """Return the length of the difference of two errors with a correlation."""
    return float(np.sqrt(max(first**2 + second**2 - 2 * correlation * first * second, 0.0)))


def _counts(heads: Mapping[int, Sequence[Predictions]]) -> tuple[int, int]:
    """Return the negative and the positive images of all folds."""
    labels = [of_fold[0].labels for of_fold in heads.values()]
    positive = sum(int(one.sum()) for one in labels)
    return sum(map(len, labels)) - positive, positive


def _is_small(negative: int, positive: int) -> bool:
    return negative + positive < LEAST_IMAGES or min(negative, positive) < LEAST_OF_A_CLASS
