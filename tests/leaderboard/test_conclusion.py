"""What a board says: the first row, the controls, the ties."""

from __future__ import annotations

import pytest

from cxrbench.leaderboard.board import Board
from cxrbench.leaderboard.conclusion import conclusion


@pytest.fixture
def control(compete):
    return lambda distance: compete("control-border", distance, control=True)


def test_the_winner_beats_the_controls_and_stands_alone(compete, board_of, control):
    board = board_of(compete("vgg16", 5.0), compete("texture", 1.0), control(0.0))
    first, controls, ties = conclusion(board)
    row = board.rows()[0]
    value, low, high = row.estimate("auc")
    assert first.startswith(
        f"First on 180 test images: vgg16+none+none, auc {value:.3f} ({low:.3f}\N{EN DASH}{high:.3f}), first in "
    )
    assert first.endswith("% of the resamplings of patients.")
    assert controls.startswith(
        "It beats every control beyond chance. The best one, control-border, sees no detail of a lung and has auc 0."
    )
    assert ties == "No other recipe is tied with it."


def test_a_winner_that_does_not_beat_a_control_is_called_so(compete, board_of, control):
    _, controls, _ = conclusion(board_of(compete("vgg16", 2.0), control(2.0)))
    assert controls.startswith("It does not beat control-border+none+none in auc beyond chance")


def test_a_control_that_is_tied_among_all_rows_is_said_to_be(compete, board_of, control):
    others = [compete(name, 2.2) for name in "abcdefgh"]
    boards = (board_of(*others, control(distance / 20)) for distance in range(44, 0, -1))
    board = next(one for one in boards if not one.rows()[0].standing.unbeaten)  # the nearest control that is beaten alone
    assert [row.standing.tied for row in board.rows() if row.entry.control] == [True]
    _, controls, ties = conclusion(board)
    assert controls.startswith(
        "Set against one control at a time, it beats each of them. Corrected for all rows of the table, it cannot be told apart"
    )
    assert "from control-border, which sees no detail of a lung: it may be using a shortcut." in controls
    assert ties.endswith("7 other recipes. More images or folds would tell more.")


def test_a_control_is_never_the_winner(compete, board_of, control):
    first, controls, _ = conclusion(board_of(compete("vgg16", 0.5), control(5.0)))
    assert "vgg16+none+none" in first
    assert "does not beat control-border" in controls


def test_up_to_three_ties_are_named_and_more_are_counted(compete, board_of):
    few = conclusion(board_of(compete("a", 2.0), compete("b", 2.0), compete("c", 2.0)))[-1]
    assert few.startswith("Not told apart from it: ")
    assert few.count("+none+none") == 2
    many = conclusion(board_of(*(compete(name, 2.0) for name in "abcde")))
    assert many[-1] == "Not told apart from it: all 4 other recipes. Choose among them by cost."
    assert many[1] == "No control was run, so nothing tells whether it uses a shortcut."


def test_nothing_is_concluded_from_nothing(make_protocol, make_entry, compete, board_of, control):
    assert conclusion(Board(protocol=make_protocol(), entries=())) == []
    assert conclusion(Board(protocol=make_protocol(), entries=(make_entry("a"),))) == []
    assert conclusion(board_of(control(2.0))) == []
