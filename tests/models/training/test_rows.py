from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxrbench.errors import PluginError
from cxrbench.execution.failures import NotFinite
from cxrbench.models.training import rows as rows_module
from cxrbench.models.training.rows import apply_balance
from cxrbench.plugin import Balance, Focal

IMAGES, TRAIN = 40, np.array([3, 5, 8, 13, 21, 34, 39])
LABELS = np.array([0, 1, 0, 1, 1, 0, 1])


@pytest.fixture
def views(store):
    """Return three views whose features are (image number, view number)."""
    image = np.arange(IMAGES, dtype=np.float32)
    return tuple(store(np.stack([image, np.full(IMAGES, number, dtype=np.float32)], axis=1)) for number in range(3))


@pytest.fixture
def carry_out(views):
    def apply(balance):
        return apply_balance(balance, strategy="odd:k=1", views=views, train=TRAIN, labels=LABELS)

    return apply


def one_epoch(rows, batch_size=2, seed=0):
    blocks = list(rows.epoch(np.random.default_rng(seed), batch_size))
    return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]


def test_an_epoch_has_every_row_once_with_its_label_and_weight(carry_out):
    weights = np.arange(1, 8) / 8
    features, labels, drawn_weights = one_epoch(carry_out(Balance(sample_weight=weights)))
    passed = sorted(zip(features[:, 0], labels, drawn_weights, strict=True))
    assert passed == sorted(zip(TRAIN, LABELS, weights, strict=True))
    assert (features.dtype, labels.dtype, drawn_weights.dtype) == (np.float32,) * 3


def test_by_default_all_rows_pass_once_with_weight_one(carry_out):
    features, labels, weights = one_epoch(carry_out(Balance()))
    assert sorted(features[:, 0]) == TRAIN.tolist()
    assert dict(zip(features[:, 0], labels, strict=True)) == dict(zip(TRAIN, LABELS, strict=True))
    assert set(weights) == {1}


def test_repeated_left_out_and_synthetic_rows_are_passed(carry_out):
    synthetic = np.array([[100.5, -1], [101.5, -1]]), np.array([0, 1])
    indices = np.array([6, 6, 0], dtype=np.uint8)
    weights = np.array([0.1, 0.2, 0.3, 0.4, 0.5], dtype=np.float32)
    rows = carry_out(Balance(indices=indices, synthetic=synthetic, sample_weight=weights))
    features, labels, drawn_weights = one_epoch(rows)
    passed = sorted(zip(features[:, 0].tolist(), labels.tolist(), drawn_weights.tolist(), strict=True))
    expected = zip([39, 39, 3, 100.5, 101.5], [1, 1, 0, 0, 1], weights.tolist(), strict=True)
    assert passed == sorted(expected)
    assert set(features[features[:, 0] > 99, 1]) == {-1}


def test_synthetic_rows_alone_are_enough(carry_out):
    nothing = np.empty(0, dtype=np.int64)
    rows = carry_out(Balance(indices=nothing, synthetic=(np.eye(2), np.array([0, 1]))))
    features, labels, _ = one_epoch(rows)
    assert sorted(zip(features[:, 0], labels, strict=True)) == [(0, 1), (1, 0)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 6), max_size=300), st.integers(0, 20), st.integers(1, 5), st.integers(0, 2**31 - 1))
def test_any_decision_is_passed_completely_in_any_batch_size(carry_out, indices, invented, batch_size, seed):
    balance = Balance(
        indices=np.array([*indices, 0, 1], dtype=np.int64),
        synthetic=(np.full((invented, 2), 99.5, dtype=np.float32), np.ones(invented, dtype=np.int64)),
    )
    features, labels, _ = one_epoch(carry_out(balance), batch_size, seed)
    expected = [(image, LABELS[TRAIN.tolist().index(image)]) for image in TRAIN[[*indices, 0, 1]]] + [(99.5, 1)] * invented
    assert sorted(zip(features[:, 0], labels, strict=True)) == sorted(expected)


@pytest.mark.parametrize(("values", "sizes"), [(600, [300, 300, 300, 100]), (607, [300, 300, 300, 100]), (1, [4] * 250)])
def test_blocks_hold_whole_batches_but_the_last(carry_out, monkeypatch, values, sizes):
    monkeypatch.setattr(rows_module, "BLOCK_VALUES", values)
    rows = carry_out(Balance(indices=np.arange(1000) % 7))
    assert [len(labels) for _, labels, _ in rows.epoch(np.random.default_rng(0), 4)] == sizes


def test_epochs_are_ordered_by_the_generator_alone(carry_out):
    rows = carry_out(Balance())
    np.testing.assert_array_equal(one_epoch(rows, seed=4)[0], one_epoch(rows, seed=4)[0])
    assert not np.array_equal(one_epoch(rows, seed=4)[0], one_epoch(rows, seed=5)[0])
    generator = np.random.default_rng(4)
    first, second = (np.concatenate([block[1] for block in rows.epoch(generator, 2)]) for _ in range(2))
    assert first.shape == second.shape


def test_each_image_comes_in_each_view_about_equally_often(carry_out):
    rows, generator = carry_out(Balance()), np.random.default_rng(1)
    drawn = np.concatenate([features for _ in range(600) for features, _, _ in rows.epoch(generator, 4)])
    for image in TRAIN:
        counts = np.bincount(drawn[drawn[:, 0] == image, 1].astype(int), minlength=3)
        assert counts.sum() == 600
        assert np.abs(counts - 200).max() < 60


def test_a_repeated_row_may_come_in_different_views(carry_out):
    rows = carry_out(Balance(indices=np.array([0] * 30 + [1])))
    features = one_epoch(rows)[0]
    assert set(features[features[:, 0] == 3, 1]) == {0, 1, 2}


def test_a_synthetic_row_may_copy_a_training_row_with_its_label(carry_out, views):
    copies = views[0].gather(TRAIN[:3])
    features, labels, _ = one_epoch(carry_out(Balance(synthetic=(copies, LABELS[:3]))))
    assert sorted(features[:, 0]) == sorted([*TRAIN, *TRAIN[:3]])
    assert labels.sum() == LABELS.sum() + LABELS[:3].sum()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_synthetic_copy_of_a_training_row_keeps_its_label(carry_out, views, dtype):
    copies = np.concatenate([np.full((2, 2), 99.5), views[0].gather(TRAIN[3:4])]).astype(dtype)
    with pytest.raises(PluginError, match="imbalance odd:k=1 returned a training row with an altered label"):
        carry_out(Balance(synthetic=(copies, np.array([0, 1, 1 - LABELS[3]]))))


def test_a_row_with_both_labels_in_the_fold_may_have_either(store):
    view = store(np.array([[1, 2], [1, 2], [3, 4]], dtype=np.float32))
    train, labels, twins = np.arange(3), np.array([0, 1, 1]), np.array([[1, 2], [1, 2]], dtype=np.float32)
    apply_balance(Balance(synthetic=(twins, np.array([0, 1]))), strategy="odd", views=(view,), train=train, labels=labels)


def test_a_held_out_row_may_have_either_label(carry_out, views):
    foreign = views[0].gather(np.array([0, 1]))
    carry_out(Balance(synthetic=(foreign, np.array([0, 1]))))


def test_the_loss_is_passed_on(carry_out):
    assert carry_out(Balance(loss=Focal(gamma=3.0))).loss == Focal(gamma=3.0)


GOOD_FEATURES = np.zeros((2, 2), dtype=np.float32)


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (None, "returned NoneType, expected Balance"),
        ({"indices": [0, 1]}, "returned dict, expected Balance"),
        (Balance(indices=np.array([0, 7])), "indices must be whole numbers in 0..6"),
        (Balance(indices=np.array([-1, 1])), "indices must be whole numbers"),
        (Balance(indices=np.array([0.0, 1.0])), "indices must be whole numbers"),
        (Balance(indices=np.array([True, False])), "indices must be whole numbers"),
        (Balance(indices=np.array([[0, 1]])), "indices must be whole numbers"),
        (Balance(indices=np.array([0, 2, 5])), "left training rows of one class only"),
        (Balance(indices=np.empty(0, dtype=int)), "left training rows of one class only"),
        (Balance(synthetic=(np.zeros((2, 3)), np.array([0, 1]))), r"synthetic rows must be finite features \[s, 2\]"),
        (Balance(synthetic=(np.zeros(2), np.array([0, 1]))), "synthetic rows must be"),
        (Balance(synthetic=(GOOD_FEATURES, np.array([0]))), "synthetic rows must be"),
        (Balance(synthetic=(GOOD_FEATURES, np.array([0, 2]))), "synthetic rows must be"),
        (Balance(synthetic=GOOD_FEATURES[:1]), "synthetic"),
        (Balance(sample_weight=np.ones(6)), "sample_weight must be 7 finite numbers"),
        (Balance(sample_weight=np.ones((7, 1))), "sample_weight must be"),
        (Balance(sample_weight=np.array([1, 1, 1, 1, 1, 1, -0.1])), "sample_weight must be"),
        (Balance(sample_weight=np.zeros(7)), "not all zero"),
        (Balance(sample_weight=np.ones(7), synthetic=(GOOD_FEATURES, np.array([0, 1]))), "sample_weight must be 9"),
        (Balance(loss="focal"), "loss"),
    ],
)
def test_an_invalid_decision_is_an_error_of_the_strategy(carry_out, decision, words):
    with pytest.raises(PluginError, match=f"imbalance odd:k=1.*{words}"):
        carry_out(decision)


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (Balance(synthetic=(GOOD_FEATURES * np.nan, np.array([0, 1]))), "synthetic rows must be finite"),
        (Balance(sample_weight=np.array([1, 1, 1, 1, 1, 1, np.inf])), "sample_weight must be finite"),
        (Balance(sample_weight=np.array([1, 1, 1, 1, 1, 1, np.nan])), "sample_weight must be finite"),
    ],
)
def test_numbers_that_are_not_finite_fail_as_their_own_kind(carry_out, decision, words):
    with pytest.raises(NotFinite, match=f"imbalance odd:k=1.*{words}"):
        carry_out(decision)


def test_a_note_names_its_strategy_and_no_path_of_this_machine(carry_out):
    assert carry_out(Balance()).note == ""
    assert carry_out(Balance(note=" \n")).note == ""
    note = carry_out(Balance(note="both classes\nhave 9 rows, see /home/someone/secret.txt " + "x" * 900)).note
    assert note.startswith("imbalance odd:k=1: both classes")
    assert "\n" not in note
    assert "someone" not in note
    assert len(note) < 400


@pytest.mark.parametrize("note", [None, 3, b"bytes", ["a"]])
def test_a_note_that_is_not_text_is_refused(carry_out, note):
    with pytest.raises(PluginError, match=f"odd:k=1: note must be text, not {type(note).__name__}"):
        carry_out(Balance(note=note))
