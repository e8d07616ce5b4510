"""Groups of test images: the same metrics and draws as for all images, and their difference from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from cxrbench.evaluation.bootstrap import bootstrap_values, draw_patients
from cxrbench.evaluation.groups import (
    GROUP_METRICS,
    all_images,
    difference_from_all,
    group_counts,
    group_metrics,
    measure_group,
)
from cxrbench.evaluation.summary import summarise

ENDS = st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)).map(sorted)


def grouped(predictions, group_of, column="sex"):
    """Return predictions whose images are of the group that a function of their keys and labels says."""
    return [replace(head, groups={column: np.asarray(group_of(head.keys, head.labels))}) for head in predictions]


def halves(keys, labels):
    return np.where(np.array([int(key[1:]) % 2 for key in keys]), "F", "M")


def measured(predictions, group, column="sex"):
    return measure_group(all_images(predictions, draw_patients(predictions, 0), 0.1), column, group)


@pytest.mark.parametrize(("folds", "seeds"), [(1, 1), (1, 3), (3, 2)])
def test_a_group_of_all_images_equals_the_whole(simulated, folds, seeds):
    predictions = grouped(simulated(1, images=400, folds=folds, seeds=seeds), lambda keys, labels: np.full(len(keys), "all"))
    found, whole = measured(predictions, "all"), summarise(predictions, seed=0, prevalence=0.1, names=GROUP_METRICS)
    assert found.summary == whole
    assert found.summary.metrics.keys() == set(GROUP_METRICS)
    assert (found.difference.difference, found.difference.p, found.folds) == (0, 1, folds)
    low, high = whole.intervals["auc"]
    assert found.difference.low <= 0 <= found.difference.high < (high - low) / 2


@pytest.mark.parametrize(("folds", "seeds"), [(1, 1), (3, 2)])
def test_metrics_of_a_group_are_those_of_scikit_learn(simulated, folds, seeds):
    predictions = grouped(simulated(1, images=600, folds=folds, seeds=seeds), halves)
    found = measured(predictions, "F")
    for name, of in {
        "accuracy": accuracy_score,
        "recall": recall_score,
        "precision": precision_score,
        "f1": f1_score,
        "specificity": lambda labels, calls: recall_score(1 - labels, ~calls),
        "auc": None,
    }.items():
        heads = [head.only(head.groups["sex"] == "F") for head in predictions]
        values = [
            of(head.labels, head.scores >= head.threshold) if of else roc_auc_score(head.labels, head.scores) for head in heads
        ]
        assert found.summary.metrics[name] == pytest.approx(np.mean(values))
        low, high = found.summary.intervals[name]
        assert 0 <= low < found.summary.metrics[name] < high <= 1


@given(data=st.data())
def test_groups_of_a_column_are_parts_of_the_images(any_predictions, data):
    predictions = data.draw(any_predictions)
    keys = sorted({key for head in predictions for key in head.keys.tolist()})
    names = dict(zip(keys, data.draw(st.lists(st.sampled_from("ABC"), min_size=len(keys), max_size=len(keys))), strict=True))
    predictions = grouped(predictions, lambda keys, labels: [names[key] for key in keys.tolist()])
    counts = [group_counts(predictions, "sex", group) for group in "ABC"]
    first = {head.fold: head.labels for head in reversed(predictions)}
    positive = sum(int(labels.sum()) for labels in first.values())
    assert np.sum(counts, axis=0).tolist() == [sum(map(len, first.values())) - positive, positive]
    for group in "ABC":
        values = group_metrics(predictions, "sex", group)
        assert all(0 <= value <= 1 for value in values.values())


def test_accuracy_of_all_is_the_weighted_mean_of_the_groups(simulated):
    predictions = grouped(simulated(1, images=400), halves)
    (head,) = predictions
    of_groups = [
        (measured(predictions, group).summary.metrics["accuracy"], (head.groups["sex"] == group).sum()) for group in "FM"
    ]
    whole = summarise(predictions, seed=0, prevalence=0.1, names=["accuracy"]).metrics["accuracy"]
    values, images = zip(*of_groups, strict=True)
    assert np.average(values, weights=images) == pytest.approx(whole)


def test_a_group_is_drawn_with_the_patients_of_all_images(simulated):
    predictions = grouped(simulated(1, images=300), halves)
    drawn = draw_patients(predictions, 0)
    inside = predictions[0].only(predictions[0].groups["sex"] == "F")
    within, numbers = drawn[0].within(inside)
    assert numbers.tolist() == list(range(2000))
    weights = dict(zip(drawn[0].patients.tolist(), drawn[0].weights[5], strict=True))
    assert within.weights[5].tolist() == [weights[patient] for patient in within.patients.tolist()]
    values = bootstrap_values([inside], {0: within}, prevalence=0.1, names=["auc"])["auc"]
    repeats = [int(weights[patient]) for patient in inside.patients.tolist()]
    assert values[5] == pytest.approx(roc_auc_score(np.repeat(inside.labels, repeats), np.repeat(inside.scores, repeats)))


def test_a_draw_without_a_class_is_replaced_by_the_next(make_predictions):
    labels = [1, 0, 0, 1, 1, 0, 0, 1]
    (head,) = grouped([make_predictions(labels, np.linspace(0.1, 0.9, 8))], lambda keys, labels: ["F"] * 3 + ["M"] * 5)
    drawn = draw_patients([head], 0)[0]
    within, numbers = drawn.within(head.only(head.groups["sex"] == "F"))
    positive, negative = within.class_counts
    assert positive.min() > 0
    assert negative.min() > 0
    lacking = drawn.weights[:, 0] == 0
    assert lacking.any()
    assert not lacking[numbers].any()
    kept = numbers[numbers == np.arange(len(numbers))]
    assert len(kept) == (~lacking & (drawn.weights[:, 1:3].sum(axis=1) > 0)).sum()
    np.testing.assert_array_equal(within.weights, drawn.weights[numbers][:, :3])


@pytest.mark.parametrize(
    ("negative", "positive", "is_measured"), [(20, 10, True), (19, 10, False), (21, 9, False), (9, 40, False)]
)
def test_small_groups_are_counted_and_not_measured(make_predictions, negative, positive, is_measured):
    labels = np.repeat([0, 1, 0, 1], [negative, positive, 50, 50])
    scores = np.random.default_rng(0).random(len(labels))
    groups = np.repeat(["few", "many"], [negative + positive, 100])
    predictions = grouped([make_predictions(labels, scores)], lambda keys, labels: groups)
    found = measured(predictions, "few")
    assert (found.negative, found.positive, found.folds) == (negative, positive, 1)
    assert (found.summary is not None) == (found.difference is not None) == is_measured


def test_folds_without_a_class_of_the_group_do_not_count(simulated):
    predictions = grouped(
        simulated(1, images=900, folds=3, seeds=2),
        lambda keys, labels: np.where((labels == 0) & (np.array([int(key[1:]) % 3 for key in keys]) == 2), "M", "F"),
    )
    found = measured(predictions, "F")  # fold 2 has all of its negative images in the other group
    assert found.folds == 2
    others = [head.only(head.groups["sex"] == "F") for head in predictions if head.fold < 2]
    assert found.summary.metrics["auc"] == pytest.approx(np.mean([roc_auc_score(one.labels, one.scores) for one in others]))
    assert found.negative + found.positive == sum((one.groups["sex"] == "F").sum() for one in predictions if one.seed == 0)
    of_all = [roc_auc_score(head.labels, head.scores) for head in predictions if head.fold < 2]
    assert found.difference.difference == pytest.approx(found.summary.metrics["auc"] - np.mean(of_all))


def test_a_worse_group_is_told_apart(simulated):
    good, bad = simulated(1, images=600, distance=4.0), simulated(1, images=600, distance=0.5)
    scores = np.where(halves(good[0].keys, None) == "F", bad[0].scores, good[0].scores)
    predictions = grouped([replace(good[0], scores=scores)], halves)
    worse, better = measured(predictions, "F").difference, measured(predictions, "M").difference
    assert worse.high < 0 < better.low
    assert max(worse.p, better.p) < 0.01
    assert measured(predictions, "F") == measured(list(predictions), "F")


@given(first=ENDS, second=ENDS, correlation=st.floats(-1, 1))
def test_the_interval_of_a_difference_contains_it(first, second, correlation):
    (low, value, high), (other_low, other, other_high) = first, second
    found = difference_from_all((value, other), ((low, high), (other_low, other_high)), correlation)
    assert found.difference == value - other
    assert found.low <= found.difference <= found.high
    assert 0 <= found.p <= 1
    if abs(found.difference) > 1e-6 and found.high - found.low > 1e-6:
        assert (found.p <= 0.05 + 1e-9) == (not found.low < 0 < found.high) or abs(found.p - 0.05) < 1e-6


def test_the_correlation_makes_the_interval_short():
    values, ends = (0.8, 0.9), ((0.7, 0.9), (0.8, 1.0))
    lengths = [one.high - one.low for one in (difference_from_all(values, ends, shared) for shared in (0.0, 0.5, 1.0))]
    np.testing.assert_allclose(lengths, [0.2 * np.sqrt(2), 0.2, 0], atol=1e-9)
