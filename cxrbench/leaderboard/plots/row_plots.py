"""Figures of one row: its confusion matrix, and loss and accuracy of its training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.leaderboard.plots.canvas import COLOURS, legend_below, plain, wrapped
from cxrbench.leaderboard.report.row_details import confusion_of
from cxrbench.leaderboard.report.row_figures import PARTS, curves_of

if TYPE_CHECKING:
    from typing import Literal

    from matplotlib.axes import Axes

    from cxrbench.leaderboard.rows import Row

    Trained = Literal["loss", "accuracy"]

CELLS = {"tn": (0, 0), "fp": (0, 1), "fn": (1, 0), "tp": (1, 1)}
"""Row and column of each count: what the image is, and what it is called."""
TITLE_WIDTH = 32
DARK = 0.75
"""Share above which text is white."""


def draw_confusion(axes: Axes, row: Row) -> None:
    """Draw the confusion matrix of a complete row at its thresholds: counts, and their shares of a class."""
    confusion = confusion_of(row.entry)
    shares = np.zeros((2, 2))
    for name, where in CELLS.items():
        shares[where] = confusion.shares[name]
        text = "\n".join(getattr(confusion, name))
        axes.text(
            where[1] + 0.5, where[0] + 0.5, text, ha="center", va="center", color="white" if shares[where] > DARK else "black"
        )
    axes.pcolormesh(shares, cmap="Greys", vmin=0, vmax=1.2, edgecolors="black", linewidth=0.6)
    names = [wrapped(name, 16) for name in (confusion.negative, confusion.positive)]
    axes.set(xlabel="called", ylabel="image is", aspect="equal", title=wrapped(row.name, TITLE_WIDTH))
    axes.set_xticks([0.5, 1.5], names)
    axes.set_yticks([0.5, 1.5], names, rotation=90, va="center")
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.invert_yaxis()


def draw_training(axes: Axes, row: Row, name: Trained) -> None:
    """Draw loss or accuracy after each epoch, one line per head: training solid, validation dashed."""
    for place, (part, label) in enumerate(PARTS.items()):
        for curve in curves_of(row.entry):
            values = getattr(curve, f"{part}_{name}")
            axes.plot(
                np.arange(1, len(values) + 1),
                values,
                label=label,
                color=COLOURS[place],
                linestyle=("-", "--")[place],
                marker="os"[place],
                markersize=2.5,
                linewidth=0.9,
            )
    axes.set(xlabel="epoch", ylabel=plain(name), title=wrapped(row.name))
    axes.locator_params(axis="x", integer=True)
    legend_below(axes)
