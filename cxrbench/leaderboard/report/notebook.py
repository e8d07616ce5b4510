"""What a notebook shows of a board and of an entry: the main table, without a script or a style of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.leaderboard.columns import text_of
from cxrbench.leaderboard.render import footer, notes, reasons, tables, title
from cxrbench.leaderboard.report.environment import environment

if TYPE_CHECKING:
    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.store.entry import Entry


def board_for_notebook(board: Board) -> str:
    """Return the main table of a board, and what must be read with it, as HTML. Everything is escaped."""
    rows = board.rows()
    finished = all(row.is_complete for row in rows)
    columns = [column for column in tables(board)[""] if column.key != "status" or not finished]
    return (
        environment()
        .get_template("notebook_board.html.j2")
        .render(
            title=title(board),
            headings=[column.heading for column in columns],
            rows=[[column.cell(row) for column in columns] for row in rows],
            notes=[*notes(board, rows), *reasons(rows)],
            footer=footer(board)[0],
        )
    )


def entry_for_notebook(entry: Entry) -> str:
    """Return the metrics of an entry with their intervals, or why it has none, as HTML. Everything is escaped."""
    estimates = [(name, *text_of(value, *entry.intervals.get(name, ()))) for name, value in entry.metrics.items()]
    return environment().get_template("notebook_entry.html.j2").render(entry=entry, estimates=estimates)
