"""What a board says, in a few sentences: which row is first, whether it beats the controls, and what is tied with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.evaluation.rank_intervals import SIGNIFICANCE
from cxrbench.leaderboard.columns import in_one_line, text_of
from cxrbench.leaderboard.worst_group import LOWEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.rows import Row

NAMED = 3
"""Tied rows that are named; of more, the number is given."""


def conclusion(board: Board) -> list[str]:
    """Return one sentence each about the first row, the controls and the ties; nothing if no recipe is complete."""
    metric, rows = board.protocol.metric, board.rows()
    others = [row for row in rows if row.is_complete and row.entry.kind != "baseline"]
    ranked = [row for row in others if not row.entry.control]
    if not ranked:
        return []
    first = ranked[0]
    controls = [row for row in others if row.entry.control]
    about_first = [_winner(first, metric), *_by_group(first, metric), *_worst_group(first)]
    may_be_shortcut = bool(first.standing.unbeaten or any(control.standing.tied for control in controls))
    return [*about_first, *_about_controls(first, controls, metric), *_ties(first, ranked, may_be_shortcut=may_be_shortcut)]


def _winner(first: Row, metric: str) -> str:
    facts, standing = first.entry.dataset, first.standing
    images = sum(fold.test_negative + fold.test_positive for fold in facts.folds) if facts else 0
    where = f" on {images:,} test images" if images else ""
    chance = f", first in {standing.p_first:.0%} of the resamplings of patients" if standing.p_first is not None else ""
    return f"First{where}: {first.name}, {_with_interval(first, metric)}{chance}."


def _by_group(first: Row, metric: str) -> Iterator[str]:
    protocol = first.entry.protocol
    if protocol.left_out:
        groups = ", ".join(f"{group} {in_one_line(text_of(*first.in_group(group, metric)))}" for group in protocol.left_out)
        yield f"Its {metric} for each group of {protocol.left_out_by}, when it learnt from the other groups alone: {groups}."


def _worst_group(first: Row) -> Iterator[str]:
    """Say how far the worst group is from all test images, if this has an interval."""
    worst = first.worst_group
    if not worst or not worst.difference or worst.p is None:
        return
    difference, value = worst.difference, in_one_line(text_of(*first.in_group(worst.name, LOWEST)))
    chance = "is more than chance" if worst.p < SIGNIFICANCE else "may be chance"
    yield (
        f"Its worst group of {worst.compared} is {worst.name}, {LOWEST} {value}: {difference.value:+.3f} from {worst.of_all} "
        f"({difference.low:+.3f} to {difference.high:+.3f}), which {chance} (at 5 %, corrected for the number of groups)."
    )


def _about_controls(first: Row, controls: Sequence[Row], metric: str) -> Iterator[str]:
    if not controls:
        yield "No control was run, so nothing tells whether it uses a shortcut."
    elif unbeaten := first.standing.unbeaten:
        names = " and ".join(unbeaten)
        yield (
            f"It does not beat {names} in {metric} beyond chance, a control that sees no detail of a lung: "
            "it may be using a shortcut."
        )
    elif tied := [control.entry.backbone for control in controls if control.standing.tied]:
        yield (
            f"Set against one control at a time, it beats each of them. Corrected for all rows of the table, it cannot be told "
            f"apart from {' and '.join(tied)}, which sees no detail of a lung: it may be using a shortcut."
        )
    else:
        best = controls[0]
        yield (
            f"It beats every control beyond chance. The best one, {best.entry.backbone}, sees no detail of a lung and has "
            f"{_with_interval(best, metric)}."
        )


def _ties(first: Row, ranked: Sequence[Row], *, may_be_shortcut: bool) -> Iterator[str]:
    tied = [row.name for row in ranked if row is not first and row.standing.tied]
    if not tied:
        yield "No other recipe is tied with it." if len(ranked) > 1 else "There is no other recipe to compare it with."
    elif len(tied) <= NAMED:
        yield f"Not told apart from it: {', '.join(tied)}."
    else:
        count = "all" if len(tied) == len(ranked) - 1 else f"{len(tied)} of the"
        advice = "More images or folds would tell more" if may_be_shortcut else "Choose among them by cost"
        yield f"Not told apart from it: {count} {len(ranked) - 1} other recipes. {advice}."


def _with_interval(row: Row, metric: str) -> str:
    return f"{metric} {in_one_line(text_of(*row.estimate(metric)))}"
