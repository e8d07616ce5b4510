"""The columns of the leaderboard. A column is defined here once; CSV, JSON, Markdown and the terminal follow.

To add one, add a `Column` to a list below. It appears in CSV and JSON, and with a `place` also in the tables for people.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from cxrbench.evaluation.groups import GROUP_METRICS
from cxrbench.evaluation.metrics import METRICS, metric_names
from cxrbench.leaderboard.shifted_ranks import RANKED, WORST
from cxrbench.leaderboard.worst_group import LOWEST

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from cxrbench.config.protocol import Protocol
    from cxrbench.config.values import Stage
    from cxrbench.leaderboard.rows import Cell, Estimate, Row
    from cxrbench.leaderboard.store.entry import PartCounts
    from cxrbench.leaderboard.store.group_result import GroupDifference

DROPPED_METRICS = {"f1": 4, "precision": 5, "recall": 6, "accuracy": 8, "auc": 9}
"""As `Column.dropped` of the metrics, also of those of an external test set or at a further threshold."""
STATUS_DROPPED = 10
WORST_GROUP = "auc_worst_group"
DIFFERENCE = f"{WORST_GROUP}_difference"
LONGEST_SHOWN = 20
"""Characters of the name of a group in a table."""
CONTROL = " (control)"
"""What is said of a control after its name."""
Shown = tuple[str, str]
"""A cell in a table for people: its text, and what is shown below it, such as an interval."""


def text_of(value: Cell, low: Cell = None, high: Cell = None) -> Shown:
    """Return a value and its interval for people: floats with three decimals, a hyphen where there is no value."""
    if value is None:
        return "-", ""
    form = "{:.3f}" if isinstance(value, float) else "{}"
    below = "" if low is None or high is None else f"{form.format(low)}\N{EN DASH}{form.format(high)}"
    return form.format(value), below


def signed_text(difference: GroupDifference | None) -> Shown:
    """Return a difference and its interval for people, with their signs."""
    if difference is None:
        return text_of(None)
    return f"{difference.value:+.3f}", f"{difference.low:+.3f} to {difference.high:+.3f}"


def in_one_line(shown: Shown) -> str:
    """Return a cell as one line: its text, and in brackets what is shown below it."""
    text, below = shown
    return f"{text} ({below})" if below else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        key: its name in CSV and JSON.
        value: the value that CSV and JSON hold, None where a row has none.
        heading: its heading in tables for people.
        place: its place in the main table for people; None if it is not shown there.
        dropped: in which order columns are dropped on a narrow terminal, from 1; 0 for never.
        shown: the cell in tables for people; the value as `text_of` shows it if nothing else is said.
    """

    key: str
    value: Callable[[Row], Cell]
    heading: str = ""
    place: int | None = None
    dropped: int = 0
    shown: Callable[[Row], Shown] | None = None

    def cell(self, row: Row) -> Shown:
        """Return the cell of a row in a table for people."""
        return self.shown(row) if self.shown else text_of(self.value(row))


def columns_of(
    protocol: Protocol,
    externals: Iterable[str],
    shifts: Sequence[str] = (),
    stages: Collection[Stage] = (),
    groups: Collection[str] = (),
) -> dict[str, Column]:
    """Return all columns of a board by key, in the order of CSV and JSON.

    Every metric is followed by the ends of its interval (``auc``, ``auc_low``, ``auc_high``). The columns of an external test
    set begin with ``external_NAME_``; ``shift_NAME_auc`` is the AUC under one shift. Those of a group begin with
    ``group_NAME_``: a group that is left out has its own name, others have names such as ``sex=F``. The stage is shown to
    people where there are several.
    """
    names = metric_names(protocol.also_at)
    columns = [
        *RANKING,
        *RECIPE,
        replace(STAGE, place=2 if len(stages) > 1 else None),
        *(column for name in names for column in _estimate(name, name, partial(_metric, name, ""))),
        *(Column(key=f"{name}_seed_sd", value=partial(_spread_cell, name)) for name in METRICS),
        *(_worst_group_columns() if groups else ()),
        *(column for group in (groups or protocol.left_out) for column in _columns_of_group(group)),
        *(_shifted_columns() if shifts else ()),
        *(column for name in shifts for column in _estimate(f"shift_{name}_auc", name, partial(_under_shift, name))),
        *(
            column
            for test_set in externals
            for name in names
            for column in _estimate(f"external_{test_set}_{name}", name, partial(_metric, name, test_set))
        ),
        *SELECTION,
        *NOTES,
    ]
    return {column.key: column for column in columns}


def group_key(group: str, name: str) -> str:
    """Return the key of the column of a metric of one group."""
    return f"group_{group}_{name}"


def main_columns(columns: Iterable[Column], ranked_by: str) -> tuple[Column, ...]:
    """Return the columns of the main table for people, in its order; the ranking metric is always one of them."""
    shown = [column for column in columns if column.place is not None or column.key == ranked_by]
    return tuple(sorted(shown, key=lambda column: 19 if column.place is None else column.place))


def _estimate(key: str, heading: str, estimate: Callable[[Row], Estimate]) -> Iterator[Column]:
    metric = heading.partition("@")[0]
    yield Column(
        key=key,
        value=lambda row: estimate(row)[0],
        heading=metric,
        place=10 + METRICS.index(key) if key in METRICS else None,
        dropped=DROPPED_METRICS.get(metric, 3),
        shown=lambda row: text_of(*estimate(row)),
    )
    yield Column(key=f"{key}_low", value=lambda row: estimate(row)[1])
    yield Column(key=f"{key}_high", value=lambda row: estimate(row)[2])


def _metric(name: str, test_set: str, row: Row) -> Estimate:
    return row.estimate(name, test_set)


def _columns_of_group(group: str) -> Iterator[Column]:
    for name in ("negative", "positive"):
        yield Column(key=group_key(group, name), value=partial(_group_count, name, group))
    for name in GROUP_METRICS:
        value, *ends = _estimate(group_key(group, name), group, partial(_in_group, name, group))
        yield from (replace(value, dropped=1), *ends)


def _group_count(name: str, group: str, row: Row) -> Cell:
    return getattr(row.groups[group], name) if group in row.groups else None


def _worst_group_columns() -> Iterator[Column]:
    """Yield the columns of the group with the lowest AUC, the first of which people see."""
    headline, *ends = _estimate(WORST_GROUP, "worst group", _of_worst_group)
    yield from (replace(headline, place=18, dropped=7, shown=_worst_group_cell), *ends)
    yield Column(key="worst_group", value=lambda row: row.worst_group.name if row.worst_group else None)
    yield Column(key="groups_compared", value=lambda row: row.worst_group.compared if row.worst_group else None)
    yield Column(key=DIFFERENCE, value=partial(_worst_difference, "value"), heading="less all images", shown=_difference_cell)
    for end in ("low", "high"):
        yield Column(key=f"{DIFFERENCE}_{end}", value=partial(_worst_difference, end))
    yield Column(key="p_worst_group", value=lambda row: row.worst_group.p if row.worst_group else None)


def _of_worst_group(row: Row) -> Estimate:
    return row.in_group(row.worst_group.name, LOWEST) if row.worst_group else (None, None, None)


def _worst_difference(field: str, row: Row) -> Cell:
    difference = row.worst_group.difference if row.worst_group else None
    return getattr(difference, field) if difference else None


def _difference_cell(row: Row) -> Shown:
    return signed_text(row.worst_group.difference if row.worst_group else None)


def _worst_group_cell(row: Row) -> Shown:
    if not row.worst_group:
        return text_of(None)
    name = row.worst_group.name
    return text_of(_of_worst_group(row)[0])[0], name if len(name) <= LONGEST_SHOWN else f"{name[: LONGEST_SHOWN - 1]}…"


def _in_group(name: str, group: str, row: Row) -> Estimate:
    return row.in_group(group, name)


def _under_shift(shift: str, row: Row) -> Estimate:
    return row.under_shift(shift, "auc")


def _shifted(name: str, row: Row) -> Estimate:
    return row.shifted(name)


def _worst(row: Row) -> Estimate:
    return row.under_shift(row.shifts.worst, "auc") if row.shifts else (None, None, None)


def _shifted_rank(key: str, end: str, row: Row) -> Cell:
    return getattr(row.shifted_ranks[key], end) if key in row.shifted_ranks else None


def _spread_cell(name: str, row: Row) -> Cell:
    return row.entry.seed_spread.get(name)


def _rank_cell(row: Row) -> Shown:
    text, below = text_of(row.rank, row.standing.rank_low, row.standing.rank_high)
    return (f"={text}" if row.standing.tied and row.rank != 1 else text), below


def _recipe_cell(row: Row) -> Shown:
    entry = row.entry
    return entry.backbone, f"{entry.augmentation} + {entry.imbalance}{CONTROL * entry.control}"


def _status_cell(row: Row) -> Shown:
    return row.entry.status, (row.entry.failure or "") if row.entry.status == "failed" else ""


def _threshold_cell(row: Row) -> Cell:
    thresholds = row.entry.thresholds
    return sum(thresholds) / len(thresholds) if thresholds else None


def _fewest_cell(count: Callable[[PartCounts], int], row: Row) -> Cell:
    folds = row.entry.dataset.folds if row.entry.dataset else ()
    return min(map(count, folds), default=None)


def _param_cell(name: str, row: Row) -> Cell:
    folds = row.entry.folds
    return folds[0].params.get(name) if len(folds) == 1 else None


def _seconds_cell(row: Row) -> Cell:
    return round(row.entry.seconds.get("features", 0.0) + row.entry.seconds.get("elapsed", 0.0), 2)


RANKING = (
    Column(key="protocol", value=lambda row: row.board),
    Column(key="rank", value=lambda row: row.rank, heading="rank", place=0, shown=_rank_cell),
    Column(key="rank_low", value=lambda row: row.standing.rank_low),
    Column(key="rank_high", value=lambda row: row.standing.rank_high),
    Column(key="p_first", value=lambda row: row.standing.p_first, heading="P(first)", place=20, dropped=3),
    Column(key="tied_with_first", value=lambda row: row.standing.tied),
    Column(key="p_auc", value=lambda row: row.standing.p_auc),
    Column(key="p_accuracy", value=lambda row: row.standing.p_accuracy),
)


def _shifted_columns() -> Iterator[Column]:
    """Yield the columns of the standard shifts: the means over them, the worst, and the ranks by each."""
    for key, metric in RANKED.items():
        estimate = _worst if key == WORST else partial(_shifted, metric)
        headline, *ends = _estimate(key, key.replace("_", " "), estimate)
        yield from (replace(headline, place=18, dropped=7) if key == "auc_shifted" else headline, *ends)
        yield Column(key=f"rank_{key}", value=partial(_shifted_rank, key, "rank"))
        for end in ("low", "high"):
            yield Column(key=f"rank_{key}_{end}", value=partial(_shifted_rank, key, end))
    yield Column(key="worst_shift", value=lambda row: row.shifts.worst if row.shifts else None)


RECIPE = (
    Column(key="recipe", value=lambda row: row.entry.recipe, heading="recipe", place=1, shown=_recipe_cell),
    Column(key="backbone", value=lambda row: row.entry.backbone),
    Column(key="augmentation", value=lambda row: row.entry.augmentation),
    Column(key="imbalance", value=lambda row: row.entry.imbalance),
    Column(key="kind", value=lambda row: row.entry.kind),
    Column(key="control", value=lambda row: row.entry.control),
    Column(
        key="status", value=lambda row: row.entry.status, heading="status", place=23, dropped=STATUS_DROPPED, shown=_status_cell
    ),
)
STAGE = Column(key="stage", value=lambda row: row.entry.stage, heading="stage", dropped=9)
SELECTION = (
    Column(key="threshold", value=_threshold_cell, heading="threshold", place=21, dropped=2),
    Column(key="validation_negative", value=partial(_fewest_cell, lambda counts: counts.validation_negative)),
    Column(key="validation_positive", value=partial(_fewest_cell, lambda counts: counts.validation_positive)),
    Column(key="folds", value=lambda row: row.entry.protocol.folds),
    Column(key="seeds", value=lambda row: row.entry.protocol.seeds),
    Column(key="trials", value=lambda row: sum(row.entry.trials.values()), heading="trials", place=22, dropped=1),
    Column(key="trials_pruned", value=lambda row: row.entry.trials.get("pruned", 0)),
    Column(key="trials_failed", value=lambda row: row.entry.trials.get("failed", 0)),
    Column(key="validation", value=lambda row: row.entry.validation(row.entry.selected_by)),
    Column(key="learning_rate", value=partial(_param_cell, "learning_rate")),
    Column(key="dropout", value=partial(_param_cell, "dropout")),
)
NOTES = (
    Column(key="seconds", value=_seconds_cell),
    Column(key="backbone_parameters", value=lambda row: row.entry.parameters.get("backbone")),
    Column(key="head_parameters", value=lambda row: row.entry.parameters.get("head")),
    Column(key="reason", value=lambda row: row.entry.reason),
    Column(key="failure", value=lambda row: row.entry.failure),
    Column(key="audit", value=lambda row: row.entry.audit.verdict),
    Column(key="warnings", value=lambda row: list(row.warnings)),
    Column(key="notice", value=lambda row: row.entry.protocol.notice),
)
