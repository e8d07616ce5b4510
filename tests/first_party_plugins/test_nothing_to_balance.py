"""Where there is nothing to balance, or too few rows, nothing is balanced and a note says why."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrbench.plugin import Balance, ConfigError, Fold
from cxrbench_imbalances import resampling, weighting

SMOTE_FAMILY = (resampling.smote, resampling.borderline_smote, resampling.adasyn)
BALANCING = (*SMOTE_FAMILY, resampling.random_oversample, resampling.random_undersample, weighting.class_weights)


def make_fold(normal, pneumonia, *, apart=0.7, spread=1.0, seed=0):
    """Return rows of both classes, `apart` from each other."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation([0] * normal + [1] * pneumonia)
    features = (spread * generator.normal(size=(len(labels), 4))).astype(np.float32)
    features[labels == 1] += apart
    return Fold(labels=labels, features=features)


def trained(balance, fold):
    """Return how many rows of each class are trained on."""
    labels = fold.labels if balance.indices is None else fold.labels[balance.indices]
    invented = balance.synthetic[1] if balance.synthetic else labels[:0]
    return np.bincount(np.concatenate([labels, invented]), minlength=2).tolist()


@pytest.mark.parametrize("strategy", BALANCING)
def test_balanced_classes_are_left_alone(strategy):
    fold = make_fold(20, 20)
    balance = strategy(fold, seed=0)
    assert balance.note == "both classes have 20 training rows: nothing was balanced"
    assert trained(balance, fold) == [20, 20]
    assert balance.indices is None or sorted(balance.indices) == list(range(40))
    assert balance.sample_weight is None or set(balance.sample_weight) == {1}


@pytest.mark.parametrize("strategy", BALANCING)
@pytest.mark.parametrize("counts", [(0, 9), (9, 0)])
def test_a_class_without_rows_is_noted(strategy, counts):
    with np.errstate(all="raise"):
        assert strategy(make_fold(*counts), seed=0) == Balance(note="one class has no training rows: nothing was balanced")


@pytest.mark.parametrize("strategy", BALANCING)
@pytest.mark.parametrize("counts", [(12, 36), (36, 12)])
def test_what_is_balanced_has_no_note(strategy, counts):
    assert strategy(make_fold(*counts), seed=0).note == ""


@pytest.mark.parametrize("strategy", SMOTE_FAMILY)
@pytest.mark.parametrize("counts", [(1, 60), (60, 1), (2, 60), (5, 60), (60, 5), (1, 2)])
def test_fewer_rows_than_neighbours_are_left_alone(strategy, counts):
    note = f"5 neighbours of each row are asked for, but the rarer class has {min(counts)} training rows: nothing was balanced"
    assert strategy(make_fold(*counts), seed=0) == Balance(note=note)
    assert strategy(make_fold(6, 60), seed=0).synthetic is not None


def test_neighbours_that_the_user_asks_for_are_named():
    fold = make_fold(29, 60)
    assert resampling.smote(fold, seed=0, k_neighbors=28).note == ""
    assert "29 neighbours" in resampling.smote(fold, seed=0, k_neighbors=29).note
    assert "30 neighbours" in resampling.adasyn(fold, seed=0, n_neighbors=30).note
    note = resampling.borderline_smote(fold, seed=0, m_neighbors=89).note
    assert note == "89 neighbours of each row are asked for, but there are 89 training rows: nothing was balanced"
    assert "88 neighbours" not in resampling.borderline_smote(fold, seed=0, m_neighbors=88).note


def test_classes_far_apart_have_no_border():
    fold = make_fold(12, 36, apart=1000)
    assert resampling.adasyn(fold, seed=0).note == (
        "no row of the rarer class has a neighbour of the commoner one: nothing was balanced"
    )
    balance = resampling.borderline_smote(fold, seed=0)
    assert balance.note == "no row of the rarer class is near the commoner one: nothing was balanced"
    assert trained(balance, fold) == [12, 36]
    assert trained(resampling.smote(fold, seed=0), fold) == [36, 36]


def test_classes_that_are_almost_equal():
    fold = make_fold(300, 301)
    balance = resampling.adasyn(fold, seed=0)
    assert balance == Balance(note="the classes are almost equal: nothing was balanced")
    assert trained(resampling.smote(fold, seed=0), fold) == [301, 301]


@pytest.mark.parametrize("strategy", SMOTE_FAMILY)
def test_identical_rows_are_repeated_or_left_alone(strategy):
    fold = make_fold(12, 36, apart=0, spread=0)
    balance = strategy(fold, seed=0)
    assert balance.note or trained(balance, fold)[0] > 30
    if balance.synthetic:
        assert not balance.synthetic[0].any()


@pytest.mark.parametrize(
    ("strategy", "option"),
    [
        (resampling.smote, "k_neighbors"),
        (resampling.borderline_smote, "k_neighbors"),
        (resampling.borderline_smote, "m_neighbors"),
        (resampling.adasyn, "n_neighbors"),
    ],
)
@pytest.mark.parametrize("value", [0, -1])
def test_no_neighbours_at_all_are_refused(strategy, option, value):
    with pytest.raises(ConfigError, match=f"{value} neighbours of each row are asked for; at least 1 is needed"):
        strategy(make_fold(12, 36), seed=0, **{option: value})


@settings(max_examples=60)
@given(
    strategy=st.sampled_from(SMOTE_FAMILY),
    counts=st.tuples(st.integers(0, 14), st.integers(0, 14)).filter(any),
    spread=st.sampled_from([0, 1]),
    apart=st.sampled_from([0, 1, 1000]),
    seed=st.integers(0, 5),
)
def test_any_fold_is_balanced_or_has_a_note(strategy, counts, spread, apart, seed):
    fold = make_fold(*counts, spread=spread, apart=apart, seed=seed)
    balance = strategy(fold, seed=seed)
    invented = len(balance.synthetic[1]) if balance.synthetic else 0
    assert bool(balance.note) == (not invented)
