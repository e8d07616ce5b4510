"""Ranks under shifts: by the mean over shifts, and by the worst shift of each recipe."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cxrbench.evaluation.ranking import ranks, resample, standings
from cxrbench.evaluation.shifted import as_repeats
from cxrbench.leaderboard.shifted_ranks import RANKED

QUALITIES = {"steady": (1.8, 2.2, 2.1, 2.0), "brittle": (5.0, 5.0, 1.0, 5.0), "weak": (1.5, 1.6, 1.5, 1.3)}
"""By backbone, how well it separates the classes under each of four shifts."""
WORST = {"steady": 0, "brittle": 2, "weak": 3}


@pytest.fixture(scope="module")
def competitors(compete, make_protocol):
    """Return three recipes, each under four shifts."""
    protocol = make_protocol(folds=2, seeds=2)
    return {name: [compete(name, quality, protocol=protocol) for quality in found] for name, found in QUALITIES.items()}


@pytest.fixture
def board(board_of, competitors):
    shifted = {found[0].entry.recipe: tuple(as_repeats(one.predictions for one in found)) for found in competitors.values()}
    return replace(board_of(*(found[0] for found in competitors.values())), shifted=shifted)


@pytest.fixture
def worst(competitors):
    """Return the predictions of each recipe under the shift that is worst for it."""
    return {found[0].entry.recipe: found[WORST[name]].predictions for name, found in competitors.items()}


@pytest.mark.parametrize("column", RANKED)
def test_ranks_are_those_of_the_predictions_it_names(board, worst, column):
    scored = worst if column == "auc_worst" else board.shifted
    resampled = resample(scored, {RANKED[column], "auc"}, seed=0, prevalence=board.protocol.prevalence)
    expected = standings(scored, resampled, metric=RANKED[column], seed=0)
    rows = board.rows(column)
    assert {row.recipe: row.shifted_ranks[column] for row in rows} == ranks(resampled, RANKED[column])
    for row in rows:
        assert replace(row.standing, remarks=(), unbeaten=()) == expected[row.recipe]


def test_a_brittle_recipe_leads_by_the_mean_and_is_last_by_the_worst(board):
    assert board.rows("auc_shifted")[0].entry.backbone == "brittle"
    assert board.rows("auc_worst")[-1].entry.backbone == "brittle"


def test_ranks_under_shifts_are_the_same_whatever_the_sort(board):
    ranked = {row.recipe: row.shifted_ranks for row in board.rows()}
    for sort in ("auc_worst", "accuracy_shifted", "f1"):
        assert {row.recipe: row.shifted_ranks for row in board.rows(sort)} == ranked
        assert {row.recipe: row.shifted_ranks for row in replace(board).rows(sort)} == ranked
