"""An entry's results on each group of test images, as tables for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.data.columns import UNKNOWN
from cxrbench.leaderboard.columns import signed_text, text_of
from cxrbench.leaderboard.worst_group import BY_CHANCE, worst_group

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cxrbench.leaderboard.columns import Shown
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.leaderboard.store.group_result import GroupResult

SHOWN = ("auc", "accuracy", "recall", "specificity", "precision", "f1")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTable:
    """A table: each cell is a text and what is shown below it."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Shown, ...], ...]


def group_tables(entry: Entry) -> Iterator[GroupTable]:
    """Yield the table of the groups that were left out, and that of the other groups, each if there are any."""
    names = entry.dataset.class_names if entry.dataset else None
    classes = (names.negative, names.positive) if names else ("negative", "positive")
    if left_out := entry.by_left_out:
        column = entry.protocol.left_out_by
        yield GroupTable(
            title=f"each group of {column}, left out and tested by itself",
            headings=(column, *classes, *SHOWN),
            rows=tuple((*_counts(name, one), *_metrics(one)) for name, one in left_out.items()),
        )
    if others := {name: one for name, one in entry.by_group.items() if name not in left_out}:
        yield GroupTable(
            title="groups of the test images",
            headings=("group", *classes, *SHOWN, "auc less all", "notes"),
            rows=tuple(_rows(entry, others)),
        )


def worst_group_facts(entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield what is to be said of the group with the lowest AUC."""
    if worst := worst_group(entry):
        yield "lowest auc", f"{worst.name}, of {worst.compared} groups"
        if difference := worst.difference:
            yield f"less {worst.of_all}", f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"
            yield "p", f"{difference.p:.2g} for this group alone, {worst.p:.2g} corrected for all of them (Holm): {BY_CHANCE}"


def _rows(entry: Entry, groups: Mapping[str, GroupResult]) -> Iterator[tuple[Shown, ...]]:
    for name, one in groups.items():
        yield (*_counts(name, one), *_metrics(one), signed_text(one.difference), (_notes(entry, one), ""))


def _counts(name: str, one: GroupResult) -> tuple[Shown, ...]:
    return (name, ""), (f"{one.negative:,}", ""), (f"{one.positive:,}", "")


def _metrics(one: GroupResult) -> tuple[Shown, ...]:
    return tuple(text_of(one.metrics.get(name), *one.intervals.get(name, (None, None))) for name in SHOWN)


def _notes(entry: Entry, one: GroupResult) -> str:
    if not one.metrics:
        return "too few"
    if one.group == UNKNOWN:
        return "not compared"
    folds = entry.protocol.folds
    return f"in {one.folds} of {folds} folds" if one.folds < folds else ""
