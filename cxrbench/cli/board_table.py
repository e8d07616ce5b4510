"""Lay out a board as tables that fit a terminal: columns are dropped by priority, names fold, and numbers are never cut."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from cxrbench.leaderboard.columns import CONTROL, WORST_GROUP
from cxrbench.leaderboard.render import apart
from cxrbench.leaderboard.worst_group import BY_CHANCE
from cxrbench.storage.safe_text import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cxrbench.leaderboard.columns import Column
    from cxrbench.leaderboard.rows import Row

GAP = 2
RECIPE = "recipe"
TEXTS = frozenset({RECIPE, "status"})
RECIPE_WIDTH = 24
"""Characters of a recipe's name for which other columns are dropped; if nothing can be dropped, it folds to less."""
LEAST_WIDTH = 8
LINE_END = re.compile(r"(?<=[ :,+])(?=\S)|(?<=-)(?=[A-Za-z])")
"""Where a line of a name may end, which is never within a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The columns that are shown with their widths, and the headings of those that do not fit, the least important first."""

    widths: tuple[tuple[Column, int], ...]
    hidden: tuple[str, ...]


def fit(columns: Sequence[Column], rows: Sequence[Row], width: int, ranked_by: str) -> Layout:
    """Choose the columns that fit: those that are never dropped, and then the most important ones.

    Args:
        columns: in their order.
        rows: whose cells must fit.
        width: of the terminal, in characters.
        ranked_by: key of the column that ranks, which is never dropped.
    """
    natural = {column.key: _natural_width(column, rows) for column in columns}
    wanted = {key: min(needed, RECIPE_WIDTH) if key == RECIPE else needed for key, needed in natural.items()}
    shown = [column for column in columns if not column.dropped or column.key == ranked_by]
    hidden: list[Column] = []
    optional = (column for column in columns if column not in shown)
    for column in sorted(optional, key=lambda column: -column.dropped):
        fits = sum(wanted[one.key] + GAP for one in (*shown, column)) - GAP <= width
        (shown if fits else hidden).append(column)
    kept = [column for column in columns if column in shown]
    others = sum(natural[column.key] + GAP for column in kept if column.key != RECIPE)
    recipe = min(natural.get(RECIPE, 0), max(width - others, LEAST_WIDTH))
    return Layout(
        widths=tuple((column, recipe if column.key == RECIPE else natural[column.key]) for column in kept),
        hidden=tuple(column.heading for column in reversed(hidden)),
    )


def laid_out(layout: Layout, rows: Iterable[Row]) -> Iterator[Table | Text]:
    """Yield the table of the recipes, and then, below a line that says what they are, the one of the controls."""
    for caption, of_caption in apart(rows).items():
        if caption:
            yield Text(f"\n{caption}:", style="bold")
        yield _table(layout, of_caption, with_headings=not caption)


def legend(layout: Layout, rows: Iterable[Row]) -> str:
    """Return what the signs of a table mean and which columns it leaves out; empty if there is nothing to say."""
    listed = list(rows)
    shown = [column for column, _ in layout.widths]
    ranked = any(column.key == "rank" for column in shown)
    tied = ranked and any(row.standing.tied and row.rank != 1 for row in listed)
    ends = any(column.cell(row)[1] for column in shown if column.key not in TEXTS for row in listed)
    parts = [
        *(["= cannot be told apart from the first row"] if tied else []),
        *(["below: 95 % intervals"] if ranked and ends else []),
        *(
            [f"worst group: its auc, and which it is; {BY_CHANCE}"]
            if any(column.key == WORST_GROUP for column in shown)
            else []
        ),
        *([f"no room for {', '.join(layout.hidden)} (--format csv has all)"] if layout.hidden else []),
    ]
    return "; ".join(parts)


def fold(name: str, width: int) -> list[str]:
    """Return a name in lines that end after a space, a comma, a colon, a plus or a hyphen, as far as its parts allow."""
    lines = [""]
    for piece in LINE_END.split(name):
        if lines[-1] and cell_len((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def _natural_width(column: Column, rows: Iterable[Row]) -> int:
    """Return the width of the widest cell, or of the widest part of the heading."""
    cells = (text.removesuffix(CONTROL) for row in rows for text in column.cell(row))
    return max(map(cell_len, (*map(as_text, cells), *fold(column.heading, 1))), default=1)


def _table(layout: Layout, rows: Iterable[Row], *, with_headings: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, show_header=with_headings)
    for column, width in layout.widths:
        heading = Text("\n".join(fold(column.heading, width)))
        table.add_column(heading, justify="left" if column.key in TEXTS else "right", width=width, overflow="fold")
    for row in rows:
        style = "dim" if row.entry.control or not row.is_complete else ""
        table.add_row(*(_cell(column, width, row) for column, width in layout.widths), style=style)
    return table


def _cell(column: Column, width: int, row: Row) -> Text:
    cell = (text.removesuffix(CONTROL) for text in column.cell(row))  # the line above the controls says it of all of them
    value, below = (fold(as_text(text), width) if column.key in TEXTS else [as_text(text)] for text in cell)
    return Text.assemble("\n".join(value), ("\n" + "\n".join(below), "dim") if any(below) else "")
