"""Which rows of a board a figure shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cxrbench.config.recipe import name_in_table
from cxrbench.errors import ConfigError, unknown_name
from cxrbench.evaluation.curve_bands import curve_bands
from cxrbench.leaderboard.plots.canvas import COLOURS
from cxrbench.leaderboard.report.figures import distinct
from cxrbench.leaderboard.rows import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.evaluation.curve_bands import Band
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.leaderboard.board import Board

    Named = str | int | Row
    """A recipe as the table shows it, a rank, or a row."""
    Chosen = Named | Sequence[Named] | None
    """What a figure shows; None for the best row of each backbone."""


def chosen_rows(board: Board, named: Chosen) -> list[Row]:
    """Return the rows that are named, in this order; else the best row of each backbone, at most four.

    Raises:
        ConfigError: a row is not on the board, or a rank is shared by several.
    """
    if named is None:
        scored = {number: (row, ()) for number, row in enumerate(board.rows()) if board.predictions.get(row.name)}
        return [scored[number][0] for number in distinct(scored)]
    listed = [named] if isinstance(named, str | int | Row) else list(named)
    return list({row.name: row for row in (_row(board, one) for one in listed)}.values())


@dataclass(frozen=True, kw_only=True)
class ScoredRows:
    """Rows with their stored scores, one of each head; and, when they are asked for, the bands of the first row's curves."""

    rows: tuple[tuple[Row, tuple[Predictions, ...]], ...]

    @cached_property
    def bands(self) -> tuple[Band, Band]:
        """The bands of ROC and precision-recall."""
        row, heads = self.rows[0]
        return curve_bands(heads, row.entry.protocol.seed)


def scored_rows(board: Board, named: Chosen) -> ScoredRows:
    """Return the rows as by `chosen_rows`, with their stored scores.

    Raises:
        ConfigError: as there; or a row has no stored scores, or the rows are too many for one figure.
    """
    rows = chosen_rows(board, named)
    if not rows:
        raise ConfigError(f"{board.name}: no row has stored scores, so there is nothing to draw")
    if len(rows) > len(COLOURS):
        raise ConfigError(f"{len(rows)} rows: at most {len(COLOURS)} can be told apart in one figure")
    for row in rows:
        if not board.predictions.get(row.name):
            raise ConfigError(f"{row.name} is {row.entry.status}: it has no stored scores to draw a figure of")
    return ScoredRows(rows=tuple((row, board.predictions[row.name]) for row in rows))


def _row(board: Board, named: Named) -> Row:
    rows = board.rows()
    if isinstance(named, int):
        found = [row for row in rows if row.rank == named]
        if not found:
            raise ConfigError(f"no row has rank {named}: the board has {len(rows)} rows")
    else:
        recipe = named.name if isinstance(named, Row) else name_in_table(named)
        found = [row for row in rows if row.name == recipe]
        if not found:
            raise unknown_name("recipe", recipe, (row.name for row in rows))
    if len(found) > 1:
        raise ConfigError(f"rank {named} is shared by {' and '.join(row.name for row in found)}: name the recipe")
    return found[0]
