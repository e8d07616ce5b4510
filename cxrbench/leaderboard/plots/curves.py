"""ROC, precision-recall and calibration curves of several rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.evaluation.calibration_bins import calibration_bins
from cxrbench.evaluation.curve_bands import GRID
from cxrbench.evaluation.mean_curves import mean_precision_recall, mean_roc
from cxrbench.leaderboard.columns import in_one_line, text_of
from cxrbench.leaderboard.plots.canvas import GREY, legend_below, line_of, plain, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cxrbench.evaluation.curve_bands import Band
    from cxrbench.evaluation.mean_curves import Curve
    from cxrbench.leaderboard.plots.chosen import ScoredRows
    from cxrbench.leaderboard.rows import Row

BAND_OPACITY = 0.18


def draw_roc(axes: Axes, scored: ScoredRows) -> None:
    """Draw the mean ROC curve of each row, and the 95 % band of the first one."""
    _draw_diagonal(axes)
    _draw_band(axes, scored.bands[0])
    for place, (row, heads) in enumerate(scored.rows):
        _draw_curve(axes, place, mean_roc(heads), _label(row, "auc"))
    _finish(axes, "1 - specificity", "sensitivity")


def draw_precision_recall(axes: Axes, scored: ScoredRows) -> None:
    """Draw the mean precision-recall steps of each row, and the 95 % band of the first one."""
    _draw_band(axes, scored.bands[1])
    for place, (row, heads) in enumerate(scored.rows):
        _draw_curve(axes, place, mean_precision_recall(heads), _label(row, "pr-auc"))
    _finish(axes, "recall (sensitivity)", "precision")


def draw_calibration(axes: Axes, scored: ScoredRows) -> None:
    """Draw how often images of a score are of the positive class, with Wilson's 95 % intervals."""
    _draw_diagonal(axes)
    for place, (row, heads) in enumerate(scored.rows):
        bins = calibration_bins(heads)
        axes.errorbar(
            [one.predicted for one in bins],
            [one.observed for one in bins],
            yerr=[[one.observed - one.low for one in bins], [one.high - one.observed for one in bins]],
            label=_label(row, "ece"),
            elinewidth=0.7,
            **line_of(place),
        )
    _finish(axes, "mean score of a group of images", "share of the positive class")


def _draw_diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=0.8)


def _draw_band(axes: Axes, band: Band) -> None:
    axes.fill_between(GRID, band.low, band.high, color=line_of(0)["color"], alpha=BAND_OPACITY, linewidth=0)


def _draw_curve(axes: Axes, place: int, curve: Curve, label: str) -> None:
    """Draw a curve with so few markers that they do not hide it, and not where those of other rows are."""
    axes.plot(curve.x, curve.y, label=label, markevery=(0.03 + 0.02 * place, 0.17), **line_of(place))


def _finish(axes: Axes, x: str, y: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", xlabel=x, ylabel=y)
    legend_below(axes)


def _label(row: Row, metric: str) -> str:
    """Return the recipe and, in a line of its own, a metric with its interval."""
    name = f"{row.name}{' (control)' * row.entry.control}"
    return f"{wrapped(name)}\n{plain(f'{metric} {in_one_line(text_of(*row.estimate(metric)))}')}"
