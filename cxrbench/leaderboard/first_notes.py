"""What changes how a table is read, in a few words: the first of a board's notes, for where there is little room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.leaderboard.columns import text_of
from cxrbench.leaderboard.render import footer, notes, reasons
from cxrbench.leaderboard.standings import is_shortcut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.rows import Row

MOST = 2


def all_notes(board: Board, sort: str = "") -> list[str]:
    """Return everything that is to be read with a table: its notes, why entries have no result, and what the numbers mean."""
    rows = board.rows(sort)
    return [*notes(board, rows), *reasons(rows), *footer(board)]


def first_notes(board: Board, sort: str = "", *, beside_conclusion: bool = False) -> list[str]:
    """Return at most two sentences, the gravest first; some say in short what several notes say.

    Leaked images come first, then the notice of the dataset, controls that do too well, and, unless they stand beside the
    board's conclusion, which says it, too, a first row that does not beat the controls, and rows without a result.
    """
    rows = board.rows(sort)
    found = [*_leaks(rows), board.protocol.notice, *_shortcuts(rows)]
    if not beside_conclusion:
        found += [*_first_unbeaten(rows), *_without_result(rows)]
    return [note for note in dict.fromkeys(found) if note][:MOST]


def _leaks(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        for finding in row.entry.audit.leaks:
            yield f"{finding.severity.upper()}: {finding.message}"


def _shortcuts(rows: Sequence[Row]) -> Iterator[str]:
    values = [row.entry.metrics["auc"] for row in rows if is_shortcut(row.entry)]
    if values:
        reach = " to ".join(dict.fromkeys(text_of(end)[0] for end in (min(values), max(values))))
        controls = "1 control reaches" if len(values) == 1 else f"{len(values)} controls reach"
        yield f"SHORTCUT: {controls} AUC {reach} without any detail of a lung. A high AUC alone proves little here."


def _first_unbeaten(rows: Sequence[Row]) -> Iterator[str]:
    first = next((row for row in rows if row.is_complete and not row.entry.control), None)
    if first and first.standing.unbeaten:
        yield f"{first.name} does not beat {' and '.join(first.standing.unbeaten)} beyond chance: it may be using a shortcut."


def _without_result(rows: Sequence[Row]) -> Iterator[str]:
    missing = sum(not row.is_complete for row in rows)
    if missing:
        yield f"{missing} of {len(rows)} rows have no result: cxrbench show RECIPE says why."
