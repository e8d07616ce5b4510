from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings

from cxrbench.errors import DataError
from cxrbench.evaluation import bootstrap
from cxrbench.evaluation.bootstrap import bootstrap_values, draw_patients
from cxrbench.evaluation.metrics import metric_names, metrics

ALSO_AT = (0.3, 0.7)


def by_repeating_rows(predictions, draws, number):
    """Return one draw's headline: repeat the rows of each drawn patient, compute the metrics, average."""
    folds = {}
    for one in predictions:
        fold = draws[one.fold]
        times = dict(zip(fold.patients.tolist(), fold.weights[number].astype(int).tolist(), strict=True))
        rows = np.repeat(np.arange(len(one.labels)), [times[patient] for patient in one.patients.tolist()])
        found = metrics(one.labels[rows], one.scores[rows], one.threshold, prevalence=0.2, also_at=ALSO_AT)
        folds.setdefault(one.fold, []).append(found)
    means = [{name: np.mean([seed[name] for seed in fold]) for name in fold[0]} for fold in folds.values()]
    return {name: np.mean([fold[name] for fold in means]) for name in means[0]}


def test_every_draw_equals_the_metrics_of_repeated_rows(any_predictions, monkeypatch):
    monkeypatch.setattr(bootstrap, "BLOCK_WEIGHTS", 40)

    @settings(max_examples=60)
    @given(any_predictions)
    def check(predictions):
        draws = draw_patients(predictions, 0, draws=12)
        expected = [by_repeating_rows(predictions, draws, number) for number in range(12)]
        found = bootstrap_values(predictions, draws, prevalence=0.2, also_at=ALSO_AT)
        assert found.keys() == set(metric_names(ALSO_AT))
        for number in range(12):
            assert {name: value[number] for name, value in found.items()} == pytest.approx(expected[number], abs=1e-12)

    check()


def test_named_metrics_are_the_same_as_all(simulated):
    predictions = simulated(1, folds=2, seeds=2)
    draws = draw_patients(predictions, 0, draws=50)
    everything = bootstrap_values(predictions, draws, prevalence=0.1, also_at=ALSO_AT)
    for name, values in everything.items():
        alone = bootstrap_values(predictions, draws, prevalence=0.1, also_at=ALSO_AT, names=[name])
        assert alone.keys() == {name}
        assert np.array_equal(alone[name], values)


def test_patients_are_drawn_whole_and_with_replacement(simulated):
    predictions = simulated(1, folds=2)
    draws = draw_patients(predictions, 5, draws=300)
    for fold in draws.values():
        assert np.all(fold.weights.sum(axis=1) == len(fold.patients))
        assert fold.weights.max() > 2
        assert fold.weights.mean(axis=0) == pytest.approx(np.ones(len(fold.patients)), abs=0.3)


def test_drawing_a_few_at_a_time_changes_no_draw(simulated, monkeypatch):
    predictions = simulated(1)
    at_once = draw_patients(predictions, 3, draws=101)[0].weights
    monkeypatch.setattr(bootstrap, "DRAWN_AT_ONCE", 1000)
    assert np.array_equal(draw_patients(predictions, 3, draws=101)[0].weights, at_once)


def shuffled(one):
    order = np.random.default_rng(0).permutation(len(one.labels))
    return dataclasses.replace(one, labels=one.labels[order], scores=one.scores[order], patients=one.patients[order])


def test_all_entries_of_a_protocol_get_the_same_draws(simulated):
    first, second = simulated(1, folds=2, seeds=3), simulated(2, folds=2)
    other = draw_patients([second[1], shuffled(second[0])], 7)
    for fold, drawn in draw_patients(first, 7).items():
        assert np.array_equal(drawn.weights, other[fold].weights)
        assert not np.array_equal(drawn.weights, draw_patients(first, 8)[fold].weights)


def test_folds_have_different_draws(simulated):
    drawn = draw_patients(simulated(1, folds=2, images=240), 7)
    assert drawn[0].weights.shape == drawn[1].weights.shape
    assert not np.array_equal(drawn[0].weights, drawn[1].weights)


def test_draws_do_not_depend_on_the_order_of_the_images(simulated):
    one = simulated(1)[0]
    draws = draw_patients([one], 0, draws=100)
    found, of_shuffled = (bootstrap_values([predictions], draws, prevalence=0.1) for predictions in (one, shuffled(one)))
    for name, values in found.items():
        assert values == pytest.approx(of_shuffled[name], abs=1e-12)


def test_a_draw_without_one_of_the_classes_is_drawn_again(make_predictions):
    predictions = [make_predictions([0, 1], [0.1, 0.9])]
    draws = draw_patients(predictions, 0, draws=100)
    assert np.all(draws[0].weights == 1)
    assert np.all(bootstrap_values(predictions, draws, prevalence=0.1, names=["auc"])["auc"] == 1)


def test_a_fold_of_one_class_is_an_error(make_predictions):
    with pytest.raises(DataError, match="fold 3 has test images of one class only"):
        draw_patients([make_predictions([1, 1], [0.1, 0.9], fold=3)], 0)


@pytest.mark.parametrize(
    ("labels", "patients"),
    [
        ([0, 0, 1, 1], [0, 0, 1, 2]),
        ([0, 1, 1], [0, 1, 3]),
        ([0, 1, 1], [0, 1, 1]),
        ([1, 0, 1], [0, 1, 2]),
        ([0, 1], [0, 1]),
        ([0, 1, 1, 1], [0, 1, 2, 2]),
    ],
)
def test_different_images_are_an_error(make_predictions, labels, patients):
    draws = draw_patients([make_predictions([0, 1, 1], [0.1, 0.9, 0.8])], 0, draws=5)
    with pytest.raises(DataError, match="fold 0, seed 4: scored on different images"):
        bootstrap_values([make_predictions(labels, [0.5] * len(labels), patients, seed=4)], draws, prevalence=0.1)
