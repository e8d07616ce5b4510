"""The figures of a board's scores: ROC, precision-recall, and calibration of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.evaluation.calibration_bins import COLUMNS, calibration_bins, histogram
from cxrbench.evaluation.curve_bands import GRID, curve_bands, on_grid
from cxrbench.evaluation.mean_curves import mean_precision_recall, mean_roc
from cxrbench.leaderboard.report.plot import (
    SIDE,
    Axis,
    Figure,
    Mark,
    NumberTable,
    area_between,
    colour_of,
    dots_at,
    line_through,
    uprights,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxrbench.evaluation.curve_bands import Band
    from cxrbench.evaluation.mean_curves import Curve
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.leaderboard.rows import Row

    Scored = Mapping[int, tuple[Row, tuple[Predictions, ...]]]
    """Rows with stored scores, by the number of the row."""

PICKED = 4
"""Rows whose curves are shown if nobody chooses."""
EVERY = 5
"""Of the points of a curve, each fifth is in its table."""
HISTOGRAM_SHARE = 0.25
"""Of the height of a calibration figure."""
MEAN = "The mean over folds and seeds at each x, so that the area below a curve is the {} of its row."
BAND = "The band of the first row is a pointwise 95 % interval from 2,000 resamplings of patients."


def distinct(scored: Scored) -> list[int]:
    """Return the best row of each backbone, at most four: curves of rows that share one are hard to tell apart."""
    firsts: dict[str, int] = {}
    for number, (row, _) in scored.items():
        firsts.setdefault(row.entry.backbone, number)
    return list(firsts.values())[:PICKED]


def curve_figures(scored: Scored, seed: int) -> tuple[Figure, ...]:
    """Return the ROC and the precision-recall figure of all rows, with the band of the first one."""
    if not scored:
        return ()
    bands = curve_bands(next(iter(scored.values()))[1], seed)
    grids = {number: on_grid(heads) for number, (_, heads) in scored.items()}
    roc = {number: mean_roc(heads) for number, (_, heads) in scored.items()}
    precision = {number: mean_precision_recall(heads) for number, (_, heads) in scored.items()}
    recall = "recall (sensitivity)"
    return (
        Figure(
            key="roc",
            title="ROC curves",
            description=f"Sensitivity at each rate of false alarms; the nearer to the top left, the better. "
            f"{MEAN.format('AUC')} {BAND}",
            x=(x := Axis(label="1 - specificity (false alarms)")),
            y=(y := Axis(label="sensitivity", flipped=True)),
            marks=_marks(scored, roc, bands[0], (x, y)),
            table=_grid_table("Sensitivity at", "1 - specificity", scored, {n: grid[0] for n, grid in grids.items()}, bands[0]),
        ),
        Figure(
            key="precision-recall",
            title="Precision-recall curves",
            description=f"The share of true alarms among all alarms at each recall; the nearer to the top right, the better. "
            f"{MEAN.format('pr-auc')} {BAND}",
            x=(x := Axis(label=recall)),
            y=(y := Axis(label="precision", flipped=True)),
            marks=_marks(scored, precision, bands[1], (x, y)),
            table=_grid_table("Precision at", recall, scored, {n: grid[1] for n, grid in grids.items()}, bands[1]),
        ),
    )


def calibration_figure(number: int, heads: Sequence[Predictions]) -> Figure:
    """Return how often images of a score are of the positive class, and how often each score is given."""
    bins = calibration_bins(heads)
    x, y = Axis(label="mean score of a group of images"), Axis(label="share of the positive class", flipped=True)
    at, observed = x.place([one.predicted for one in bins]), y.place([one.observed for one in bins])
    low, high = y.place([one.low for one in bins]), y.place([one.high for one in bins])
    colour = colour_of(number)
    return Figure(
        key=f"calibration-{number}",
        title="Calibration",
        description="Images in at most ten groups of equal size, by score. On the diagonal, a score is the share of positive "
        "images. Bars are Wilson's 95 % intervals. Below, in grey and in colour: how often each score is given to negative "
        "and to positive images.",
        x=x,
        y=y,
        marks=(
            *_histogram_marks(heads, colour),
            Mark(path=f"M0 {SIDE}L{SIDE} 0", kind="line", colour="chance", title="a score that is a probability"),
            Mark(path=uprights(at, low, high), kind="whisker", colour=colour),
            Mark(path=line_through(at, observed), kind="line", colour=colour),
            Mark(path=dots_at(at, observed), kind="dots", colour=colour),
        ),
        table=NumberTable(
            caption="Groups of images by score",
            headings=("mean score", "images", "share of the positive class", "95 % interval"),
            rows=tuple(
                (f"{one.predicted:.4f}", f"{one.images:.4g}", f"{one.observed:.4f}", f"{one.low:.4f} to {one.high:.4f}")
                for one in bins
            ),
        ),
    )


def _marks(scored: Scored, curves: Mapping[int, Curve], band: Band, axes: tuple[Axis, Axis]) -> tuple[Mark, ...]:
    x, y = axes
    first = next(iter(scored))
    area = area_between(x.place(GRID), y.place(band.low), y.place(band.high))
    lines = (
        Mark(
            path=line_through(x.place(curve.x), y.place(curve.y)),
            kind="line",
            colour=colour_of(number),
            row=number,
            title=scored[number][0].name,
        )
        for number, curve in curves.items()
    )
    title = f"95 % band of {scored[first][0].name}"
    return (Mark(path=area, kind="area", colour=colour_of(first), row=first, title=title), *lines)


def _grid_table(
    what: str, label: str, scored: Scored, values: Mapping[int, np.ndarray[tuple[int], np.dtype[np.float64]]], band: Band
) -> NumberTable:
    first, *others = scored
    low, high = band.low[::EVERY], band.high[::EVERY]
    shown = {number: column[::EVERY] for number, column in values.items()}
    return NumberTable(
        caption=f"{what} each {label}",
        headings=(label, *(f"{number}. {scored[number][0].name}" for number in (first, *others))),
        rows=tuple(
            (
                f"{at:.1f}",
                f"{shown[first][place]:.3f} ({low[place]:.3f} to {high[place]:.3f})",
                *(f"{shown[number][place]:.3f}" for number in others),
            )
            for place, at in enumerate(GRID[::EVERY])
        ),
    )


def _histogram_marks(heads: Sequence[Predictions], colour: str) -> tuple[Mark, ...]:
    negative, positive = histogram(heads)
    highest = max(negative.max(), positive.max(), 1)
    width = SIDE // COLUMNS
    return tuple(
        Mark(path=path, kind="bars", colour=css, title=f"scores of {name} images")
        for counts, css, name, shift in ((negative, "grey", "negative", 0), (positive, colour, "positive", width // 2))
        if (path := _bars(counts / highest, shift, width))
    )


def _bars(shares: np.ndarray[tuple[int], np.dtype[np.float64]], shift: int, width: int) -> str:
    heights = np.rint(shares * HISTOGRAM_SHARE * SIDE).astype(int).tolist()
    return "".join(
        f"M{place * width + shift} {SIDE}v{-height}h{width // 2}v{height}z" for place, height in enumerate(heights) if height
    )
