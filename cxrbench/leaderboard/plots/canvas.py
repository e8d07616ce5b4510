"""Axes to draw in, the style of all figures, and their bytes."""

from __future__ import annotations

import io
import textwrap
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from cxrbench.errors import MissingRequirement
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Format = Literal["svg", "pdf", "png"]
Size = tuple[float, float]
"""Width and height in inches."""
SQUARE: Size = (3.4, 3.4)
WIDE: Size = (3.4, 2.2)
SMALL: Size = (2.2, 2.2)
COLOURS = ("#0b62b8", "#b8510b", "#0b7a52", "#a3207f", "#6a4bc4", "#8a6d00", "#b3261e", "#43657a")
"""Of rows, as on the page."""
DASHES = ("-", "--", "-.", ":", (0, (6, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2, 2, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
SCREEN_DPI = 150
GREY = "#6b7480"
STYLE: Mapping[str, Any] = {
    "axes.grid": True,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "axes.titlesize": 8,
    "font.size": 8,
    "grid.color": "#d5d9de",
    "grid.linewidth": 0.4,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "pdf.fonttype": 42,  # text stays text
    "savefig.dpi": 300,
    "svg.fonttype": "none",  # likewise
    "svg.hashsalt": "cxrbench",  # ids are random otherwise
}
METADATA: Mapping[Format, Mapping[str, str | None]] = {
    "svg": {"Creator": "cxrbench", "Date": None},
    "pdf": {"Creator": "cxrbench", "Producer": "matplotlib", "CreationDate": None},
    "png": {"Software": "cxrbench"},
}
"""Neither a date nor a version: equal boards give equal bytes."""
LEGEND_WIDTH = 52
LEGEND_LINES = 3
LEGEND_DISTANCE = 0.42
"""Inches below the axes: room for ticks and a label."""


def require_matplotlib() -> None:
    """Raise MissingRequirement unless matplotlib is installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise MissingRequirement("figures need matplotlib, which is not installed: pip install 'cxrbench[figures]'") from None


@contextmanager
def style() -> Iterator[None]:
    """Draw in the style of figures for papers, whatever style the user has set."""
    from matplotlib import style as styles

    with styles.context(["default", dict(STYLE)]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing", UserWarning)  # of a name; the font shows a box
        yield


def new_axes(size: Size) -> Axes:
    """Return the axes of a figure that nothing else holds."""
    from matplotlib.figure import Figure

    return Figure(figsize=size).subplots()


def shown_figure(size: Size) -> Figure:
    """Return a figure that a notebook shows below its cell, and ``pyplot.show()`` elsewhere.

    Call it outside `style`, which would take back what a notebook sets when its first figure is made.
    """
    from matplotlib import pyplot

    return pyplot.figure(figsize=size, dpi=SCREEN_DPI)


def figure_of(axes: Axes) -> Figure:
    """Return the figure that axes are in."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


def encoded(axes: Axes, format: Format) -> bytes:
    """Return the figure of axes as the bytes of a file."""
    content = io.BytesIO()
    figure_of(axes).savefig(content, format=format, metadata=dict(METADATA[format]), bbox_inches="tight", pad_inches=0.03)
    return content.getvalue()


def line_of(place: int) -> dict[str, Any]:
    """Return colour, dashes and markers of a row by its place in a figure; without colour, dashes and markers still differ."""
    return {
        "color": COLOURS[place],
        "linestyle": DASHES[place],
        "marker": MARKERS[place],
        "markerfacecolor": "white",
    }


def plain(text: str) -> str:
    """Return text that matplotlib shows as it is: one line, no formula."""
    return as_line(text).replace("$", r"\$")


def wrapped(text: str, width: int = LEGEND_WIDTH) -> str:
    """Return a name for a legend or a title, in at most three lines."""
    lines = textwrap.wrap(as_line(text), width, max_lines=LEGEND_LINES, placeholder="\N{HORIZONTAL ELLIPSIS}")
    return "\n".join(map(plain, lines))


def shortened(text: str, width: int = LEGEND_WIDTH) -> str:
    """Return a name for the tick of an axis, in one line."""
    line = as_line(text)
    return plain(line if len(line) <= width else f"{line[: width - 1]}\N{HORIZONTAL ELLIPSIS}")


def legend_below(axes: Axes) -> None:
    """Put the legend, each label once, below the label of the x axis, where it hides no curve."""
    from matplotlib.transforms import ScaledTranslation

    below = axes.transAxes + ScaledTranslation(0, -LEGEND_DISTANCE, figure_of(axes).dpi_scale_trans)
    handles, labels = axes.get_legend_handles_labels()
    each = dict(zip(labels, handles, strict=True))
    axes.legend(
        each.values(), each, loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below, borderaxespad=0, handlelength=4
    )
