"""The leaderboard as the page shows it: cells with the values that they are sorted by, and intervals to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.evaluation.metrics import LOWER_IS_BETTER
from cxrbench.leaderboard.columns import in_one_line, text_of
from cxrbench.leaderboard.render import apart, tables
from cxrbench.leaderboard.report.plot import Axis, NumberTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.columns import Column
    from cxrbench.leaderboard.rows import Row

FILTERS = ("backbone", "augmentation", "imbalance", "stage")
"""Fields of an entry by which rows are filtered, each if it has more than one value."""
TEXTS = frozenset({"recipe", "stage", "status"})
LOWEST_FIRST = frozenset({"rank", "threshold", "trials", *TEXTS, *LOWER_IS_BETTER})
"""Columns whose first click puts the lowest value first."""
WHISKER = 1000
"""Units of the axis of the drawn intervals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading: its text, and in which order its first click sorts."""

    key: str
    text: str
    first: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SortedCell:
    """A cell: its text, the smaller text below it, and the value that it is sorted by, empty for none."""

    key: str
    text: str
    below: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Whisker:
    """An interval and its value, in units from 0 to `WHISKER`.

    Attributes:
        beyond: whether the value is not on the axis, which is that of the recipes without the controls.
    """

    low: int
    value: int
    high: int
    beyond: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A row, with its number on the page."""

    number: int
    row: Row
    cells: tuple[SortedCell, ...]
    whisker: Whisker | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardTable:
    """The table.

    Attributes:
        metric: that it is ranked by.
        axis: of the drawn intervals.
        bodies: rows by their caption; that of the recipes is empty.
        filters: the values of each filter.
        further: tables of external test sets, groups and further thresholds.
    """

    metric: str
    axis: Axis
    headings: tuple[Heading, ...]
    bodies: Mapping[str, tuple[TableRow, ...]]
    filters: Mapping[str, tuple[str, ...]]
    further: tuple[NumberTable, ...]


def board_table(board: Board, numbered: Mapping[int, Row], sort: str) -> BoardTable:
    """Return the table of all rows, ranked by `sort` or by the metric that the search maximised; controls are apart."""
    metric = sort or board.protocol.metric
    shown = tables(board, sort)
    finished = all(row.is_complete for row in numbered.values())
    columns = [column for column in shown.pop("") if column.key != "status" or not finished]
    axis = interval_axis(numbered.values(), metric)
    rows = [
        TableRow(number=number, row=row, cells=tuple(_cells(row, columns)), whisker=_whisker(row, metric, axis))
        for number, row in numbered.items()
    ]
    by_recipe = {one.row.name: one for one in rows}
    return BoardTable(
        metric=metric,
        axis=axis,
        headings=tuple(
            Heading(key=column.key, text=column.heading, first="ascending" if column.key in LOWEST_FIRST else "descending")
            for column in columns
        ),
        bodies={
            caption: tuple(by_recipe[row.name] for row in of_caption)
            for caption, of_caption in apart(numbered.values()).items()
        },
        filters={name: values for name in FILTERS if len(values := _values(name, numbered)) > 1},
        further=tuple(_further(caption, columns, numbered) for caption, columns in shown.items()),
    )


def _values(name: str, numbered: Mapping[int, Row]) -> tuple[str, ...]:
    return tuple(sorted({getattr(row.entry, name) for row in numbered.values()}))


def _cells(row: Row, columns: Iterable[Column]) -> Iterator[SortedCell]:
    for column in columns:
        text, below = column.cell(row)
        value = column.value(row)
        yield SortedCell(key=column.key, text=text, below=below, value="" if value is None else str(value))


def interval_axis(rows: Iterable[Row], metric: str) -> Axis:
    """Return the axis of the intervals of all rows except controls, which would leave little room for the others."""
    ends = [end for row in rows if not row.entry.control for end in _ends(row, metric)]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    return Axis(label=metric, low=low, high=high, length=WHISKER)


def _whisker(row: Row, metric: str, axis: Axis) -> Whisker | None:
    if len(ends := _ends(row, metric)) < 3:
        return None
    value, low, high = axis.place(ends).tolist()
    return Whisker(low=low, value=value, high=high, beyond=not axis.low <= ends[0] <= axis.high)


def _ends(row: Row, metric: str) -> list[float]:
    """Return the value and the ends of its interval, as far as there are any."""
    found = (row.values.get(key) for key in (metric, f"{metric}_low", f"{metric}_high"))
    return [value for value in found if isinstance(value, float)]


def _further(caption: str, columns: Sequence[Column], numbered: Mapping[int, Row]) -> NumberTable:
    return NumberTable(
        caption=caption,
        headings=tuple(column.heading for column in columns),
        rows=tuple(
            (f"{number}. {row.name}", *(in_one_line(column.cell(row)) for column in columns[1:]))
            for number, row in numbered.items()
        ),
    )


def shown_estimate(row: Row, name: str) -> str:
    """Return a metric of the test images with its interval."""
    value, interval = text_of(*row.estimate(name))
    return f"{value} (95 % interval {interval})" if interval else value
