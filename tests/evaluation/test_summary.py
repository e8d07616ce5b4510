from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cxrbench.evaluation.bootstrap import bootstrap_values, draw_patients
from cxrbench.evaluation.intervals import effective_patients, interval, wilson
from cxrbench.evaluation.metrics import metric_names, metrics
from cxrbench.evaluation.shifted import as_repeats
from cxrbench.evaluation.summary import mean_measured, measure, summarise


def summary(predictions, **changes):
    return summarise(predictions, **{"seed": 0, "prevalence": 0.1, "also_at": (0.7,), **changes})


def width(ends):
    return ends[1] - ends[0]


def by_hand(predictions, name):
    """Return a metric as an array [folds, seeds]."""
    folds, seeds = ({getattr(one, part) for one in predictions} for part in ("fold", "seed"))
    table = np.empty((len(folds), len(seeds)))
    for one in predictions:
        table[one.fold, one.seed] = metrics(one.labels, one.scores, one.threshold, also_at=(0.7,))[name]
    return table


@pytest.mark.parametrize(("folds", "seeds"), [(1, 1), (1, 3), (4, 1), (3, 2)])
def test_the_headline_is_the_mean_over_folds_of_seed_means(simulated, folds, seeds):
    predictions = simulated(1, folds=folds, seeds=seeds)
    found = summary(predictions)
    assert found.metrics.keys() == found.intervals.keys() == set(metric_names((0.7,)))
    for name, value in found.metrics.items():
        assert value == pytest.approx(by_hand(predictions, name).mean(axis=1).mean())
        low, high = found.intervals[name]
        assert 0 <= low <= value <= high <= 1
        assert low < high
    assert summary(list(reversed(predictions))) == found


def test_the_seed_spread_is_the_standard_deviation_over_seeds(simulated):
    predictions = simulated(1, folds=3, seeds=4)
    found = summary(predictions).seed_spread
    for name in ("auc", "accuracy", "recall@0.7"):
        assert found[name] == pytest.approx(by_hand(predictions, name).mean(axis=0).std(ddof=1))
    assert summary(simulated(1, folds=2)).seed_spread == {}


@pytest.mark.parametrize("folds", [1, 5])
def test_an_interval_is_that_of_fold_values_and_draws(simulated, folds):
    predictions = simulated(1, folds=folds, seeds=2)
    means = by_hand(predictions, "auc").mean(axis=1).tolist()
    draws = bootstrap_values(predictions, draw_patients(predictions, 0), prevalence=0.1, names=["auc"])["auc"]
    assert summary(predictions).intervals["auc"] == interval("auc", means, draws, effective_patients(predictions))


@pytest.mark.parametrize(("folds", "seeds"), [(1, 1), (3, 2)])
def test_the_mean_over_shifts_is_that_of_shifts_as_repeats(simulated, folds, seeds):
    shifts = [
        simulated(number, distance=distance, folds=folds, seeds=seeds) for number, distance in enumerate((3.0, 1.0, 60.0))
    ]
    given = {"seed": 0, "prevalence": 0.1, "drawn": draw_patients(shifts[0], 0)}
    expected = summarise(as_repeats(shifts), **given)
    found = mean_measured([measure(shift, **given) for shift in shifts]).summary()
    assert found.metrics == pytest.approx(expected.metrics, rel=1e-12)
    assert found.intervals.keys() == expected.intervals.keys()
    for name, ends in expected.intervals.items():
        assert found.intervals[name] == pytest.approx(ends, rel=1e-9)
        assert found.intervals[name] != summarise(shifts[0], **given).intervals[name]


def test_folds_that_disagree_widen_the_interval(simulated):
    alike = simulated(1, folds=2)
    unlike = [*alike[:1], replace(alike[1], scores=1 - alike[1].scores)]
    assert width(summary(unlike).intervals["auc"]) > 3 * width(summary(alike).intervals["auc"])


def test_more_images_narrow_the_interval(simulated):
    few, many = (summary(simulated(1, images=images)).intervals["auc"] for images in (90, 900))
    assert width(many) < 0.6 * width(few)


def test_the_interval_depends_on_the_seed(simulated):
    predictions = simulated(1)
    assert summary(predictions) == summary(predictions)
    assert summary(predictions, seed=1).intervals != summary(predictions).intervals
    assert summary(predictions, seed=1).metrics == summary(predictions).metrics


@pytest.mark.parametrize("folds", [1, 3])
def test_a_perfect_entry_has_lower_bounds_below_1(simulated, folds):
    found = summary(simulated(1, distance=60, folds=folds))
    assert found.metrics["auc"] == found.metrics["ppv"] == 1
    for name in ("accuracy", "auc", "ppv", "npv", "specificity", "precision"):
        low, high = found.intervals[name]
        assert low < high == 1
    specificity = found.intervals["specificity"][0]
    recall = found.intervals["recall"][0]
    assert found.intervals["ppv"][0] == pytest.approx(0.1 * recall / (0.1 * recall + 0.9 * (1 - specificity)))
    assert found.intervals["ppv"][0] < 0.9


def test_without_positive_calls_the_ppv_interval_is_0_to_1(make_predictions):
    found = summary([make_predictions([0, 1] * 20, [0.1, 0.2] * 20, threshold=0.9)])
    assert found.metrics["ppv"] == found.intervals["ppv"][0] == 0
    assert found.intervals["ppv"][1] == 1
    assert found.intervals["recall"] == wilson(0, 20)
