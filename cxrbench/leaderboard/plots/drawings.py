"""The figures of a board: what each shows and how large it is, to be drawn in a file or in a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from cxrbench.errors import ConfigError
from cxrbench.leaderboard.plots.canvas import SMALL, SQUARE, WIDE, encoded, new_axes, require_matplotlib, shown_figure, style
from cxrbench.leaderboard.plots.chosen import chosen_rows, scored_rows
from cxrbench.leaderboard.plots.curves import draw_calibration, draw_precision_recall, draw_roc
from cxrbench.leaderboard.plots.intervals import draw_intervals
from cxrbench.leaderboard.plots.row_plots import draw_confusion, draw_training
from cxrbench.leaderboard.report.row_figures import curves_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.plots.canvas import Format, Size
    from cxrbench.leaderboard.plots.chosen import Chosen, Named
    from cxrbench.leaderboard.rows import Row

CurveName = Literal["roc", "precision-recall", "calibration"]
CURVES: dict[CurveName, Callable[..., None]] = {
    "roc": draw_roc,
    "precision-recall": draw_precision_recall,
    "calibration": draw_calibration,
}
ROW_HEIGHT = 0.2
"""Inches of a row in the figure of intervals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure: draws into axes, best of this size."""

    size: Size
    draw: Callable[[Axes], None]

    def shown(self, axes: Axes | None) -> Axes:
        """Draw into these axes, or into new ones that a notebook shows below its cell, and return them.

        Raises:
            MissingRequirement: matplotlib is not installed.
        """
        require_matplotlib()
        if axes is None:
            figure = shown_figure(self.size)
            with style():
                axes = figure.subplots()
                self.draw(axes)
        else:
            self.draw(axes)
        return axes

    def encoded(self, format: Format) -> bytes:
        """Return the figure as the bytes of a file; equal boards give equal bytes.

        Raises:
            MissingRequirement: matplotlib is not installed.
        """
        require_matplotlib()
        with style():
            axes = new_axes(self.size)
            self.draw(axes)
            return encoded(axes, format)


def curves(board: Board, rows: Chosen) -> dict[CurveName, Drawing]:
    """Return the ROC, the precision-recall and the calibration curves of rows."""
    scored = scored_rows(board, rows)
    return {name: Drawing(size=SQUARE, draw=partial(draw, scored=scored)) for name, draw in CURVES.items()}


def intervals(board: Board, rows: Chosen) -> Drawing:
    """Return the metric of each row with its interval; of all rows, if none is named."""
    shown = board.rows() if rows is None else chosen_rows(board, rows)
    height = WIDE[1] / 3 + ROW_HEIGHT * len(shown)
    return Drawing(size=(WIDE[0], height), draw=partial(draw_intervals, rows=shown, metric=board.protocol.metric))


def confusion(board: Board, row: Named) -> Drawing:
    """Return the confusion matrix of a row."""
    return Drawing(size=SMALL, draw=partial(draw_confusion, row=_complete(board, row)))


def training(board: Board, name: Literal["loss", "accuracy"], row: Named) -> Drawing:
    """Return loss or accuracy of a row after each epoch.

    Raises:
        ConfigError: the row has no learning curves.
    """
    chosen = _complete(board, row)
    if not curves_of(chosen.entry):
        raise ConfigError(f"{chosen.name} has no learning curves: nothing was trained for it, or by an earlier version")
    return Drawing(size=WIDE, draw=partial(draw_training, row=chosen, name=name))


def _complete(board: Board, named: Named) -> Row:
    """Return a row that has a result."""
    (row,) = chosen_rows(board, named)
    if not row.is_complete or not row.entry.folds:
        raise ConfigError(f"{row.name} is {row.entry.status}: there is no result to draw")
    return row
