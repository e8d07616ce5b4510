from __future__ import annotations

import numpy as np
import pytest

from cxrbench.evaluation.intervals import nadeau_bengio, wilson
from cxrbench.evaluation.metrics import metric_names, metrics
from cxrbench.evaluation.summary import summarise


def summary(units, **changes):
    return summarise(units, **{"seed": 0, "prevalence": 0.1, "also_at": (0.7,), **changes})


def by_hand(units, name):
    """Return a metric as a table, a row a fold and a column a seed."""
    folds, seeds = ({getattr(one, part) for one in units} for part in ("fold", "seed"))
    table = np.empty((len(folds), len(seeds)))
    for one in units:
        table[one.fold, one.seed] = metrics(one.labels, one.scores, one.threshold, also_at=(0.7,))[name]
    return table


@pytest.mark.parametrize(("folds", "seeds"), [(1, 1), (1, 3), (4, 1), (3, 2)])
def test_the_headline_is_the_mean_over_folds_of_the_mean_over_seeds(simulated, folds, seeds):
    units = simulated(1, folds=folds, seeds=seeds)
    found = summary(units)
    assert found.metrics.keys() == found.intervals.keys() == set(metric_names((0.7,)))
    for name, value in found.metrics.items():
        assert value == pytest.approx(by_hand(units, name).mean(axis=1).mean())
        low, high = found.intervals[name]
        assert 0 <= low <= value <= high <= 1
        assert low < high
    assert summary(list(reversed(units))) == found


def test_the_seed_spread_is_the_standard_deviation_over_seeds(simulated):
    units = simulated(1, folds=3, seeds=4)
    found = summary(units).seed_spread
    for name in ("auc", "accuracy", "recall@0.7"):
        assert found[name] == pytest.approx(by_hand(units, name).mean(axis=0).std(ddof=1))


def test_one_seed_has_no_spread(simulated):
    assert summary(simulated(1, folds=2)).seed_spread == {}


def test_several_folds_are_corrected_for_their_overlap(simulated):
    units = simulated(1, folds=5, seeds=2)
    means = by_hand(units, "auc").mean(axis=1).tolist()
    assert summary(units).intervals["auc"] == nadeau_bengio(means, 1 / 4)


def test_more_images_are_surer(simulated):
    few, many = (summary(simulated(1, films=films)).intervals["auc"] for films in (90, 900))
    assert many[1] - many[0] < 0.6 * (few[1] - few[0])


def test_the_seed_decides(simulated):
    units = simulated(1)
    assert summary(units) == summary(units)
    assert summary(units, seed=1).intervals != summary(units).intervals
    assert summary(units, seed=1).metrics == summary(units).metrics


@pytest.mark.parametrize("folds", [1, 3])
def test_a_perfect_entry_is_not_certain(simulated, folds):
    found = summary(simulated(1, distance=60, folds=folds))
    assert found.metrics["auc"] == found.metrics["ppv"] == 1
    for name in ("accuracy", "auc", "ppv", "npv", "specificity", "precision"):
        low, high = found.intervals[name]
        assert low < high == 1
    specificity = found.intervals["specificity"][0]
    recall = found.intervals["recall"][0]
    assert found.intervals["ppv"][0] == pytest.approx(0.1 * recall / (0.1 * recall + 0.9 * (1 - specificity)))
    assert found.intervals["ppv"][0] < 0.9


def test_calling_nothing_says_nothing_of_the_predictive_value(unit):
    found = summary([unit([0, 1] * 20, [0.1, 0.2] * 20, threshold=0.9)])
    assert found.metrics["ppv"] == found.intervals["ppv"][0] == 0
    assert found.intervals["ppv"][1] == 1
    assert found.intervals["recall"] == wilson(0, 20)
