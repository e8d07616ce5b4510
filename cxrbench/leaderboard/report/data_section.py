"""The images behind a board: how many of each class are in each part, and what the audit found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.leaderboard.report.plot import NumberTable

if TYPE_CHECKING:
    from cxrbench.data.audit.findings import Finding
    from cxrbench.leaderboard.board import Board

PARTS = ("train", "validation", "test")


def image_table(board: Board) -> NumberTable | None:
    """Return the images of each class in each part of each fold; None if no entry tells."""
    facts = next((entry.dataset for entry in board.entries if entry.dataset), None)
    if not facts:
        return None
    names, groups = facts.class_names, board.protocol.left_out
    rows = (
        (
            f"fold {number}" + (f" ({groups[number]} left out)" if number < len(groups) else ""),
            *(f"{getattr(fold, f'{part}_{name}'):,}" for part in PARTS for name in ("negative", "positive")),
        )
        for number, fold in enumerate(facts.folds)
    )
    return NumberTable(
        caption=f"{facts.name}: {facts.negative:,} {names.negative} and {facts.positive:,} {names.positive} images of "
        f"{facts.patients:,} patients. Files that could not be read and were skipped: {facts.skipped:,}",
        headings=("part of the split", *(f"{part}: {name}" for part in PARTS for name in (names.negative, names.positive))),
        rows=tuple(rows),
    )


def findings(board: Board) -> tuple[Finding, ...]:
    """Return what the audits of the entries found, each once."""
    return tuple(dict.fromkeys(finding for entry in board.entries for finding in entry.audit.findings))
