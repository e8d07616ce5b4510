"""An entry's results on each group that was left out, as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.leaderboard.columns import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.leaderboard.store.entry import Entry, FoldResult

SHOWN = ("auc", "accuracy", "recall", "specificity", "precision", "f1")


def group_headings(entry: Entry) -> tuple[str, ...]:
    """Return the headings of the table."""
    names = entry.dataset.class_names if entry.dataset else None
    classes = (names.negative, names.positive) if names else ("negative", "positive")
    return (entry.protocol.left_out_by, *classes, *SHOWN)


def group_rows(entry: Entry) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each group: its images of both classes, and its metrics with their 95 % intervals."""
    for group, fold in entry.by_group.items():
        counts = fold.heads[0].confusion
        yield (group, f"{counts.fp + counts.tn:,}", f"{counts.tp + counts.fn:,}", *(_cell(fold, name) for name in SHOWN))


def _cell(fold: FoldResult, name: str) -> str:
    value, below = text_of(fold.metrics.get(name), *fold.intervals.get(name, (None, None)))
    return f"{value}\n{below}" if below else value
