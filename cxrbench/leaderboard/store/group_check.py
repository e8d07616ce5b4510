"""Check the results of groups: against the other numbers of their entry, and against the stored scores."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cxrbench.evaluation.groups import group_counts, group_metrics
from cxrbench.leaderboard.store.plausibility import EXACT, wrong_intervals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.leaderboard.store.group_result import GroupDifference, GroupResult


def contradicting_groups(entry: Entry) -> Iterator[str]:
    """Yield what is wrong with the groups of a complete entry."""
    names = Counter(one.name for one in entry.groups)
    yield from (f"it has {count} results of the group {name}" for name, count in names.items() if count > 1)
    for column in dict.fromkeys(one.column for one in entry.groups):
        yield from _wrong_counts(entry, column)
    for one in entry.groups:
        yield from (f"group {one.name}: {problem}" for problem in _of_group(entry, one))


def differs_from_scores(entry: Entry, predictions: Sequence[Predictions]) -> str:
    """Return which number of a group is not that of the stored scores of its images, or ""."""
    for one in entry.groups:
        if any(one.column not in head.groups for head in predictions):
            return f"it has results by {one.column}, but its stored scores do not tell the {one.column} of their images"
        counts = group_counts(predictions, one.column, one.group)
        if counts != (one.negative, one.positive):
            return f"group {one.name} has {one.negative} + {one.positive} images, but {counts[0]} + {counts[1]} have scores"
        computed = group_metrics(predictions, one.column, one.group)
        for name, value in one.metrics.items():
            if abs(computed.get(name, -1.0) - value) > EXACT:
                made = f"{computed[name]:.6g}" if name in computed else "none"
                return f"group {one.name}: {name} is {value:.6g}, but the stored scores make {made}"
    return ""


def _wrong_counts(entry: Entry, column: str) -> Iterator[str]:
    """Compare the images of the groups of a column, which are all test images, with those of the test parts."""
    groups = [one for one in entry.groups if one.column == column]
    found = [sum(getattr(one, name) for one in groups) for name in ("negative", "positive")]
    parts = entry.dataset.folds if entry.dataset else ()
    expected = [sum(getattr(part, f"test_{name}") for part in parts) for name in ("negative", "positive")]
    if found != expected:
        yield f"its groups by {column} have {found} negative and positive images, but the test parts have {expected}"


def _of_group(entry: Entry, one: GroupResult) -> Iterator[str]:
    if one.folds > entry.protocol.folds:
        yield f"it is measured in {one.folds} folds, of {entry.protocol.folds}"
    yield from (f"{name} {value:g} is not in 0..1" for name, value in one.metrics.items() if not 0 <= value <= 1)
    yield from wrong_intervals(one.metrics, one.intervals)
    if one.difference and not _can_be(one.difference):
        yield f"its difference {one.difference} cannot be"


def _can_be(difference: GroupDifference) -> bool:
    ordered = difference.low - EXACT <= difference.value <= difference.high + EXACT
    return ordered and abs(difference.value) <= 1 and 0 <= difference.p <= 1
