"""The figures of one row: loss and accuracy of its training, and its search."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.leaderboard.report.plot import (
    SIDE,
    Axis,
    Figure,
    Mark,
    NumberTable,
    axis_around,
    dots_at,
    line_through,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cxrbench.leaderboard.store.entry import Entry, LearningCurves
    from cxrbench.leaderboard.store.trial_history import TrialHistory

LISTED = 100
"""Trials of a row whose table has them all; of more, it has those that were better than all earlier ones."""
HEIGHT = SIDE * 6 // 10
PARTS = {"train": "training", "validation": "validation"}


def training_figures(number: int, entry: Entry) -> Iterator[Figure]:
    """Yield loss and accuracy per epoch of the selected heads; none if the entry has no curves."""
    if curves := curves_of(entry):
        yield _training_figure(number, "loss", curves)
        yield _training_figure(number, "accuracy", curves)


def curves_of(entry: Entry) -> list[LearningCurves]:
    """Return the learning curves of the selected heads; none in entries of earlier versions."""
    return [head.curves for fold in entry.folds for head in fold.heads if head.curves.train_loss]


def search_figures(number: int, entry: Entry) -> Iterator[Figure]:
    """Yield the metric of each trial against its number, its learning rate and its dropout; none without trials."""
    trials = [
        (fold.fold, place, value)
        for fold in entry.folds
        for place, value in enumerate(fold.history.values)
        if value is not None
    ]
    if not trials:
        return
    y = axis_around(f"{entry.selected_by} on validation", [value for _, _, value in trials], flipped=True, length=HEIGHT)
    yield _progress_figure(number, entry, y)
    for name in ("learning_rate", "dropout"):
        pairs = [pair for fold in entry.folds for pair in _pairs(fold.history, name)]
        if pairs:
            yield _parameter_figure(number, name, pairs, y)


def _training_figure(number: int, name: str, curves: Sequence[LearningCurves]) -> Figure:
    of = {part: [getattr(one, f"{part}_{name}") for one in curves] for part in PARTS}
    epochs = max(len(one) for lines in of.values() for one in lines)
    values = [value for lines in of.values() for one in lines for value in one]
    x = Axis(label="epoch", low=min(1, epochs - 1), high=epochs)
    y = axis_around(name, values, flipped=True, length=HEIGHT)
    return Figure(
        key=f"{name}-{number}",
        title=f"{name.capitalize()} per epoch",
        description="One line per fold and seed, without dropout, augmentation and balancing. Training is blue "
        "and solid, validation is orange and dashed. A line ends where training stopped because validation did not get better.",
        x=x,
        y=y,
        marks=tuple(
            Mark(
                path=line_through(x.place(np.arange(1, len(one) + 1)), y.place(one)),
                kind="line",
                colour="c0" if part == "train" else "c1 dashed",
                title=PARTS[part],
            )
            for part, lines in of.items()
            for one in lines
            if one
        ),
        table=NumberTable(
            caption=f"Mean {name} over the folds and seeds that were trained for so many epochs",
            headings=("epoch", *PARTS.values(), "trained"),
            rows=tuple(
                (
                    str(epoch + 1),
                    *(_mean_at(of[part], epoch) for part in PARTS),
                    str(sum(len(one) > epoch for one in of["train"])),
                )
                for epoch in range(epochs)
            ),
        ),
    )


def _mean_at(lines: Sequence[Sequence[float]], epoch: int) -> str:
    values = [one[epoch] for one in lines if len(one) > epoch]
    return f"{sum(values) / len(values):.4f}" if values else "-"


def _progress_figure(number: int, entry: Entry, y: Axis) -> Figure:
    histories = [(fold.fold, fold.history) for fold in entry.folds if fold.history.values]
    x = Axis(label="trial", low=0, high=max(max(len(history.values) for _, history in histories) - 1, 1))
    marks = []
    for _, history in histories:
        found = [(place, value) for place, value in enumerate(history.values) if value is not None]
        best = list(accumulate((value for _, value in found), max))
        if found:
            at = x.place([place for place, _ in found])
            marks.append(Mark(path=dots_at(at, y.place([value for _, value in found])), kind="dots", colour="grey"))
            marks.append(Mark(path=_stairs(at, y.place(best)), kind="line", colour="c0", title="best so far"))
    return Figure(
        key=f"search-{number}",
        title="The search: best so far",
        description="Each dot is a finished trial. The line is the best value so far, one line per fold.",
        x=x,
        y=y,
        marks=tuple(marks),
        table=_trial_table(histories, entry),
    )


def _stairs(x: np.ndarray[tuple[int], np.dtype[np.int64]], y: np.ndarray[tuple[int], np.dtype[np.int64]]) -> str:
    return line_through(np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1])


def _parameter_figure(number: int, name: str, pairs: Sequence[tuple[float, float]], y: Axis) -> Figure:
    values = [value for value, _ in pairs]
    label = name.replace("_", " ")
    x = axis_around(label, values, log=name == "learning_rate" and min(values) > 0)
    return Figure(
        key=f"{name}-{number}",
        title=f"The search: {label}",
        description=f"Each dot is a finished trial: its {label}, and its value on validation.",
        x=x,
        y=y,
        marks=(Mark(path=dots_at(x.place(values), y.place([value for _, value in pairs])), kind="dots", colour="c0"),),
        table=NumberTable(caption="The numbers are in the table of the search above", headings=(), rows=()),
    )


def _pairs(history: TrialHistory, name: str) -> Iterator[tuple[float, float]]:
    """Yield a parameter and the value of each trial that has both."""
    for param, value in zip(history.params.get(name, ()), history.values, strict=False):
        if value is not None and isinstance(param, int | float):
            yield float(param), value


def _trial_table(histories: Sequence[tuple[int, TrialHistory]], entry: Entry) -> NumberTable:
    names = list(dict.fromkeys(name for _, history in histories for name in history.params))
    total = sum(len(history.states) for _, history in histories)
    rows = []
    for fold, history in histories:
        best = float("-inf")
        for place, (state, value) in enumerate(zip(history.states, history.values, strict=True)):
            better = value is not None and value > best
            best = value if value is not None and better else best
            if better or total <= LISTED:
                params = history.params_of(place)
                shown = (
                    f"{params[name]:.4g}" if isinstance(params.get(name), float) else str(params.get(name, "-"))
                    for name in names
                )
                rows.append((f"{fold}, {place}", state, "-" if value is None else f"{value:.4f}", *shown))
    which = (
        "Every trial" if total <= LISTED else f"Of {total} trials, those that were better than all earlier ones of their fold"
    )
    return NumberTable(
        caption=f"{which}; the entry's file has them all",
        headings=("fold, trial", "state", entry.selected_by, *(name.replace("_", " ") for name in names)),
        rows=tuple(rows),
    )
