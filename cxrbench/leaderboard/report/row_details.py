"""What opens below a row: its confusion matrix, thresholds, training, search, parameters, versions and commands."""

from __future__ import annotations

import itertools
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.config.recipe import stem_of
from cxrbench.evaluation.rates import rates
from cxrbench.evaluation.threshold_counts import threshold_counts
from cxrbench.leaderboard.columns import in_one_line
from cxrbench.leaderboard.describe import describe
from cxrbench.leaderboard.group_table import group_tables
from cxrbench.leaderboard.report.figures import calibration_figure
from cxrbench.leaderboard.report.plot import NumberTable
from cxrbench.leaderboard.report.row_figures import search_figures, training_figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.leaderboard.describe import Fact
    from cxrbench.leaderboard.group_table import GroupTable
    from cxrbench.leaderboard.report.plot import Figure
    from cxrbench.leaderboard.rows import Row
    from cxrbench.leaderboard.store.entry import Entry

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
STEP = 100
"""Of the 1,001 thresholds, each hundredth is in the table for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """A confusion matrix, summed over folds: texts of counts, the mean over seeds, and of their shares of a class.

    Attributes:
        shares: the same shares as numbers.
    """

    negative: str
    positive: str
    tn: tuple[str, str]
    fp: tuple[str, str]
    fn: tuple[str, str]
    tp: tuple[str, str]
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The counts behind the slider.

    Attributes:
        start: the threshold that the slider begins at, in thousandths.
        points: the operating points of the heads, in thousandths.
        chosen: the same in words.
        counts: what the script reads.
        table: the same at every tenth, for readers without a script.
    """

    start: int
    points: tuple[int, ...]
    chosen: str
    counts: Mapping[str, str | float]
    table: NumberTable


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDetails:
    """What opens below a row."""

    number: int
    row: Row
    confusion: Confusion | None
    thresholds: Thresholds | None
    figures: tuple[Figure, ...]
    groups: tuple[NumberTable, ...]
    facts: Mapping[str, Sequence[Fact]]
    export: str


def row_details(number: int, row: Row, heads: Sequence[Predictions]) -> RowDetails:
    """Return the details of a row; without stored scores, those that the entry holds."""
    entry = row.entry
    calibration = (calibration_figure(number, heads),) if heads else ()
    trials = [trial for fold in entry.folds for trial in fold.history.trials()]
    path = Path(row.board) / "entries" / f"{stem_of(entry.name)}.json"
    exported = entry.kind != "baseline" and row.is_complete
    return RowDetails(
        number=number,
        row=row,
        confusion=confusion_of(entry) if row.is_complete and entry.folds else None,
        thresholds=_thresholds(entry, heads) if heads else None,
        figures=(*calibration, *training_figures(number, entry), *search_figures(number, entry)),
        groups=tuple(map(_number_table, group_tables(entry))),
        facts=describe(entry, path, trials),
        export=_export_command(entry) if exported else "",
    )


def _export_command(entry: Entry) -> str:
    """Return the command that exports a row; one-file plugins have no version."""
    files = sorted({facts.package for facts in entry.components.values() if not facts.version})
    plugins = "".join(f" --plugin {shlex.quote(file)}" for file in files)
    return f"cxrbench export {shlex.quote(entry.name)} --to FOLDER{plugins}"


def confusion_of(entry: Entry) -> Confusion:
    """Return the confusion matrix of a complete entry at the thresholds of its heads."""
    counts = {
        name: sum(sum(getattr(head.confusion, name) for head in fold.heads) / len(fold.heads) for fold in entry.folds)
        for name in ("tn", "fp", "fn", "tp")
    }
    negatives, positives = counts["tn"] + counts["fp"], counts["fn"] + counts["tp"]
    of = {"tn": negatives, "fp": negatives, "fn": positives, "tp": positives}
    shares = {name: counts[name] / max(of[name], 1) for name in counts}
    classes = entry.dataset.class_names if entry.dataset else None
    return Confusion(
        negative=classes.negative if classes else "negative",
        positive=classes.positive if classes else "positive",
        **{name: (_count(counts[name]), f"{share:.1%}") for name, share in shares.items()},
        shares=shares,
    )


def _number_table(table: GroupTable) -> NumberTable:
    rows = (tuple(map(in_one_line, row)) for row in table.rows)
    return NumberTable(caption=f"{table.title[0].upper()}{table.title[1:]}", headings=table.headings, rows=tuple(rows))


def _thresholds(entry: Entry, heads: Sequence[Predictions]) -> Thresholds:
    tp, fp = threshold_counts(heads)
    folds = {head.fold for head in heads}
    seeds = len(heads) / len(folds)
    points = sorted(round(1000 * threshold) for threshold in entry.thresholds)
    return Thresholds(
        start=round(1000 * sum(entry.thresholds) / len(entry.thresholds)),
        points=tuple(dict.fromkeys(points)),
        chosen=", ".join(f"{threshold:.3f}" for threshold in sorted(entry.thresholds)),
        counts={"tp": packed(tp), "fp": packed(fp), "seeds": seeds, "prevalence": entry.protocol.prevalence},
        table=_threshold_table(tp, fp, seeds),
    )


def packed(counts: NDArray[np.int64]) -> str:
    """Return falling counts as text: the first one, and by how much each falls below its predecessor, in base 36.

    Differences are separated by commas; one of 0 is empty.
    """
    values = counts.tolist()
    falls = [before - after for before, after in itertools.pairwise(values)]
    return ",".join([_base_36(values[0]), *(_base_36(fall) if fall else "" for fall in falls)])


def _base_36(number: int) -> str:
    text = ""
    while number or not text:
        number, digit = divmod(number, len(DIGITS))
        text = DIGITS[digit] + text
    return text


def _threshold_table(tp: NDArray[np.int64], fp: NDArray[np.int64], seeds: float) -> NumberTable:
    positives, negatives = int(tp[0]), int(fp[0])
    found = rates(tp, fp, positives, negatives)
    return NumberTable(
        caption="Counts, sensitivity and specificity at every tenth",
        headings=("threshold", "true positives", "false positives", "sensitivity", "specificity"),
        rows=tuple(
            (
                f"{place / 1000:.1f}",
                _count(tp[place] / seeds),
                _count(fp[place] / seeds),
                f"{found['recall'][place]:.3f}",
                f"{found['specificity'][place]:.3f}",
            )
            for place in range(0, len(tp), STEP)
        ),
    )


def _count(value: float) -> str:
    return f"{value:,.0f}" if abs(value - round(value)) < 1e-9 else f"{value:,.1f}"
