from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrbench.plugin import Balance, ConfigError, CrossEntropy, Focal, Fold, Imbalance
from cxrbench_imbalances import register_imbalances, resampling, weighting

RESAMPLERS = (resampling.random_oversample, resampling.random_undersample)
SMOTE_FAMILY = (resampling.smote, resampling.borderline_smote, resampling.adasyn)
EVERY = (weighting.unchanged, weighting.class_weights, weighting.focal, *RESAMPLERS, *SMOTE_FAMILY)


def make_fold(normal=12, pneumonia=36, width=5, seed=0):
    """Return rows of both classes that overlap, in random order."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation([0] * normal + [1] * pneumonia)
    features = generator.normal(size=(len(labels), width)).astype(np.float32)
    features[labels == 1] += 0.7
    return Fold(labels=labels, features=features)


def balanced_labels(balance, fold):
    own = fold.labels if balance.indices is None else fold.labels[balance.indices]
    return own if balance.synthetic is None else np.concatenate([own, balance.synthetic[1]])


@pytest.mark.parametrize("strategy", EVERY)
def test_the_fold_is_left_as_it_was(strategy):
    fold = make_fold()
    strategy(fold, seed=3)
    assert fold.labels.tobytes() == make_fold().labels.tobytes()
    assert fold.features.tobytes() == make_fold().features.tobytes()


@pytest.mark.parametrize("strategy", EVERY)
def test_equal_seeds_decide_equally(strategy):
    def decision(seed):
        balance = strategy(make_fold(), seed=seed)
        arrays = [balance.indices, *(balance.synthetic or ()), balance.sample_weight]
        return [array.tobytes() for array in arrays if array is not None], balance.loss

    assert decision(5) == decision(5)
    is_random = strategy in {*RESAMPLERS, *SMOTE_FAMILY}
    assert (decision(5) != decision(6)) == is_random


def test_none_decides_nothing():
    assert weighting.unchanged(make_fold(), seed=0) == Balance()


@given(st.integers(1, 50), st.integers(1, 50))
def test_class_weights_have_mean_one_and_weigh_classes_alike(normal, pneumonia):
    fold = make_fold(normal, pneumonia)
    balance = weighting.class_weights(fold, seed=0)
    weights = balance.sample_weight
    assert weights.shape == fold.labels.shape
    assert weights.mean() == pytest.approx(1)
    assert weights[fold.labels == 0].sum() == pytest.approx(weights[fold.labels == 1].sum())
    assert len({*weights[fold.labels == 0]}) == len({*weights[fold.labels == 1]}) == 1
    assert (balance.indices, balance.synthetic) == (None, None)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**31 - 1))
def test_oversampling_keeps_all_rows_and_repeats_the_rarer_class(normal, pneumonia, seed):
    fold = make_fold(normal, pneumonia)
    indices = resampling.random_oversample(fold, seed=seed).indices
    more = max(normal, pneumonia)
    assert np.bincount(fold.labels[indices]).tolist() == [more, more]
    assert set(indices.tolist()) == set(range(len(fold.labels)))
    commoner = int(pneumonia > normal)
    assert np.bincount(indices)[fold.labels == commoner].max() == 1


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**31 - 1))
def test_undersampling_keeps_the_rarer_class_and_repeats_nothing(normal, pneumonia, seed):
    fold = make_fold(normal, pneumonia)
    indices = resampling.random_undersample(fold, seed=seed).indices
    fewer = min(normal, pneumonia)
    assert np.bincount(fold.labels[indices]).tolist() == [fewer, fewer]
    assert len(set(indices.tolist())) == len(indices)
    assert set(indices.tolist()) <= set(range(len(fold.labels)))
    rarer = int(pneumonia < normal)
    assert set(np.flatnonzero(fold.labels == rarer)) <= set(indices.tolist())


@pytest.mark.parametrize("strategy", RESAMPLERS)
def test_resampling_needs_no_features(strategy):
    assert strategy(Fold(labels=np.array([0, 1, 1, 1, 0])), seed=0).synthetic is None


@pytest.mark.parametrize("counts", [(12, 36), (36, 12)])
@pytest.mark.parametrize("strategy", SMOTE_FAMILY)
def test_smote_invents_rows_of_the_rarer_class_within_its_range(strategy, counts):
    fold = make_fold(*counts)
    rarer = int(np.argmin(counts))
    balance = strategy(fold, seed=1)
    features, labels = balance.synthetic
    assert set(labels.tolist()) == {rarer}
    assert features.shape == (len(labels), 5)
    own = fold.features[fold.labels == rarer]
    assert (features >= own.min(axis=0) - 1e-5).all()
    assert (features <= own.max(axis=0) + 1e-5).all()
    assert not any((own == row).all(axis=1).any() for row in features)
    assert balance.indices is None
    assert balance.sample_weight is None


@pytest.mark.parametrize(
    ("strategy", "apart"), [(resampling.smote, 0), (resampling.borderline_smote, 0), (resampling.adasyn, 6)]
)
def test_the_smote_family_balances_the_classes(strategy, apart):
    fold = make_fold(20, 90)
    normal, pneumonia = np.bincount(balanced_labels(strategy(fold, seed=1), fold))
    assert abs(normal - pneumonia) <= apart
    assert pneumonia == 90


def test_focal_chooses_the_loss_and_nothing_else():
    assert weighting.focal(make_fold(), seed=0) == Balance(loss=Focal(gamma=2.0))
    assert weighting.focal(make_fold(), seed=0, gamma=0.5).loss == Focal(gamma=0.5)
    with pytest.raises(ConfigError, match=r"gamma=-0\.1"):
        weighting.focal(make_fold(), seed=0, gamma=-0.1)


def test_focal_with_gamma_zero_is_the_cross_entropy(tensorflow_ready):
    from cxrbench.models.training.head import Head

    generator = np.random.default_rng(4)
    features = (generator.normal(size=(40, 3)) * np.repeat([1, 1000], 20)[:, None]).astype(np.float32)
    labels = (features[:, 0] > 0).astype(np.float32)
    after = []
    for loss in (CrossEntropy(), Focal(gamma=0.0)):
        head = Head(3, loss, 8)
        head.reset(seed=0, learning_rate=1e-3, dropout=0.0)
        head.train(features, labels, np.ones(40, dtype=np.float32))
        after.append(head.weights())
    for entropy, focal in zip(*after, strict=True):
        np.testing.assert_allclose(focal, entropy, atol=1e-6)


def test_only_the_smote_family_asks_for_features():
    declared = {spec.name: spec for spec in register_imbalances()}
    assert all(isinstance(spec, Imbalance) for spec in declared.values())
    assert {name for name, spec in declared.items() if spec.needs_features} == {"smote", "borderline-smote", "adasyn"}
