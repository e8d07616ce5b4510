"""The board as one figure: the metric of each row with its 95 % interval, in the order of the ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxrbench.leaderboard.columns import in_one_line, text_of
from cxrbench.leaderboard.plots.canvas import COLOURS, GREY, legend_below, plain, shortened
from cxrbench.leaderboard.report.table import interval_axis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from cxrbench.leaderboard.rows import Row

HEADROOM = 0.04
"""Of the width of the axis, on each side."""
MARKS: Mapping[str, Mapping[str, Any]] = {
    "first, or not told apart from it": {"marker": "o", "color": COLOURS[0]},
    "told apart from the first": {"marker": "o", "color": COLOURS[0], "markerfacecolor": "white"},
    "not compared with the first: scores are missing": {"marker": "d", "color": GREY, "markerfacecolor": "white"},
    "control": {"marker": "x", "color": GREY},
}
"""By the words of the legend."""


def draw_intervals(axes: Axes, rows: Sequence[Row], metric: str) -> None:
    """Draw a dot and its interval per row, with the numbers beside them.

    The axis is that of the recipes: a control beyond it is an arrow at its end.
    """
    span = interval_axis(rows, metric)
    room = (span.high - span.low) * HEADROOM or HEADROOM
    for place, row in enumerate(rows):
        value, low, high = row.estimate(metric)
        if value is None:
            continue
        kind = _kind(row)
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color=MARKS[kind]["color"], zorder=2)
        if span.low <= value <= span.high:
            axes.plot(value, place, linestyle="", label=kind, zorder=3, **MARKS[kind])
        else:
            end, marker = (span.low - room / 2, "<") if value < span.low else (span.high + room / 2, ">")
            axes.plot(end, place, linestyle="", marker=marker, color=GREY, label="control, beyond the axis")
        text = in_one_line(text_of(value, low, high))
        axes.text(1.02, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize="small")
    names = [f"{text_of(row.rank)[0]}. {shortened(row.name)}" for row in rows]
    axes.set(xlim=(span.low - room, span.high + room), ylim=(len(rows) - 0.5, -0.5), xlabel=plain(metric))
    axes.set_yticks(range(len(rows)), names)
    axes.grid(visible=False, axis="y")
    legend_below(axes)


def _kind(row: Row) -> str:
    best, apart, unknown, control = MARKS
    if row.entry.control:
        return control
    if row.is_among_best:
        return best
    return unknown if row.standing.tied is None else apart
