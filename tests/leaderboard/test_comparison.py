"""Two entries side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from cxrbench.errors import ConfigError
from cxrbench.leaderboard.comparison import COMPARED, compare_entries, find_pair

CLASSICAL = {"DeLong", "McNemar, exact"}


@pytest.fixture
def compared(board_of):
    def make(one, other):
        board = board_of(one, other)
        return compare_entries(board, one.entry, other.entry)

    return make


def by_test(differences, test):
    return {one.metric: one for one in differences if one.test == test}


def test_a_large_difference_has_its_sign_and_is_significant(compared, compete):
    good, bad = compete("good", 4), compete("bad", 0.3)
    found = {one.metric: one for one in compared(good, bad) if one.test not in CLASSICAL}
    assert tuple(found) == COMPARED
    for metric in ("auc", "accuracy", "f1", "balanced-accuracy"):
        one = found[metric]
        assert (one.first, one.second) == (good.entry.metrics[metric], bad.entry.metrics[metric])
        assert one.difference == pytest.approx(one.first - one.second)
        assert 0 < one.low < one.difference < one.high
        assert one.p < 0.01
    assert found["brier"].difference < 0  # of which the smaller is better
    assert found["brier"].high < 0
    assert found["accuracy"].test == "exchange of patients"


def test_the_other_way_round_is_the_same_with_the_other_sign(compared, compete):
    one, other = compete("one", 2), compete("other", 1.5)
    for forward, backward in zip(compared(one, other), compared(other, one), strict=True):
        assert (forward.metric, forward.test) == (backward.metric, backward.test)
        assert (forward.difference, forward.p) == pytest.approx((-backward.difference, backward.p))
        assert (forward.low, forward.high) == pytest.approx((-backward.high, -backward.low))


def test_an_entry_does_not_differ_from_itself(compared, compete):
    one = compete("one", 2)
    twin = replace(one, entry=one.entry.model_copy(update={"recipe": "twin+none+none"}))
    assert all((found.difference, found.p) == (0, 1) for found in compared(one, twin))


def test_a_small_difference_is_no_more_than_chance(compared, compete):
    found = compared(compete("one", 2), compete("other", 1.9))
    assert all(one.p > 0.05 for one in found)
    assert all(one.low < 0 < one.high for one in found)


def test_classical_tests_agree_with_the_others_and_with_scipy(compared, compete):
    one, other = compete("one", 2.5), compete("other", 1)
    found = compared(one, other)
    assert by_test(found, "DeLong").keys() == {"auc"}
    assert by_test(found, "McNemar, exact").keys() == {"accuracy"}
    delong, bootstrap = by_test(found, "DeLong")["auc"], by_test(found, "bootstrap of patients")["auc"]
    assert delong.difference == pytest.approx(bootstrap.difference)
    assert (delong.low, delong.high) == pytest.approx((bootstrap.low, bootstrap.high), abs=0.01)
    right = [(unit.scores >= 0.5) == (unit.labels == 1) for unit in (one.predictions[0], other.predictions[0])]
    only = [int(np.sum(right[0] & ~right[1])), int(np.sum(right[1] & ~right[0]))]
    mcnemar = by_test(found, "McNemar, exact")["accuracy"].p
    assert mcnemar == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue)
    assert by_test(found, "exchange of patients")["accuracy"].p == pytest.approx(mcnemar, abs=0.02)


@pytest.mark.parametrize("given", [{"images_each": 2}, {"folds": 2}, {"seeds": 2}], ids=str)
def test_tests_of_independent_images_are_left_out_for_others(compared, compete, make_protocol, given):
    images_each = given.get("images_each", 1)
    protocol = make_protocol(**({} if "images_each" in given else given))
    one, other = (compete(name, 2, images_each=images_each, protocol=protocol) for name in ("one", "other"))
    assert not {found.test for found in compared(one, other)} & CLASSICAL


def test_every_board_that_has_both_is_found(board_of, compete, make_protocol):
    boards = [
        board_of(*(compete(name, protocol=make_protocol(seed=seed)) for name in names))
        for seed, names in enumerate((("a", "b"), ("a", "c"), ("b", "a")))
    ]
    found = list(find_pair(boards, "a+none+none", "b+none+none"))
    assert [board.protocol.seed for board, _, _ in found] == [0, 2]
    assert all((one.recipe, other.recipe) == ("a+none+none", "b+none+none") for _, one, other in found)


def test_an_unknown_recipe_is_answered_with_those_that_there_are(board_of, compete):
    board = board_of(compete("a"), compete("b"))
    with pytest.raises(ConfigError) as caught:
        list(find_pair([board], "a+none+none", "c+none+none"))
    assert str(caught.value) == (
        "a+none+none and c+none+none are not both complete on any leaderboard. Complete recipes: a+none+none, b+none+none"
    )


def test_a_recipe_that_failed_cannot_be_compared(board_of, compete, make_entry):
    board = board_of(compete("a"))
    board = replace(board, entries=(*board.entries, make_entry("vgg16")))
    with pytest.raises(ConfigError, match=r"Complete recipes: a\+none\+none$"):
        list(find_pair([board], "a+none+none", "vgg16+none+smote"))
