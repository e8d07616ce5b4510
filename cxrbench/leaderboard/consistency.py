"""Refuse entries whose numbers cannot come from the test images that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.evaluation.consistency import contradicts_confusion, impossible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.leaderboard.entry import Entry, FoldResult, HeadResult

EQUAL = 1e-9
"""How far a stored mean may lie from the mean of what is stored."""


def contradiction(entry: Entry) -> str:
    """Return a sentence that names the impossible number, or "" if all of an entry's numbers can be true."""
    return next(_contradictions(entry), "")


def _contradictions(entry: Entry) -> Iterator[str]:
    if entry.status != "complete":
        return
    for fold in entry.folds:
        for head in fold.heads:
            if problem := _of_head(entry, fold, head):
                yield f"fold {fold.fold}, seed {head.seed}: {problem}"
    if any(fold.heads for fold in entry.folds):
        yield from _wrong_means(entry)
    elif entry.dataset and entry.dataset.folds:
        yield from _without_heads(entry)
    for metric, (low, high) in entry.intervals.items():
        if not low - EQUAL <= entry.metrics.get(metric, low) <= high + EQUAL:
            yield f"{metric} {entry.metrics[metric]:.6g} lies outside its interval {low:.6g} to {high:.6g}"


def _of_head(entry: Entry, fold: FoldResult, head: HeadResult) -> str:
    counts = head.confusion
    if entry.dataset and fold.fold < len(entry.dataset.folds):
        parts = entry.dataset.folds[fold.fold]
        if (counts.tp + counts.fn, counts.fp + counts.tn) != (parts.test_pneumonia, parts.test_normal):
            return (
                f"its confusion matrix has {counts.tp + counts.fn} pneumonia and {counts.fp + counts.tn} normal images, but "
                f"the test part has {parts.test_pneumonia} and {parts.test_normal}"
            )
    return contradicts_confusion(head.metrics, tp=counts.tp, fp=counts.fp, fn=counts.fn, tn=counts.tn)


def _wrong_means(entry: Entry) -> Iterator[str]:
    for metric, value in entry.metrics.items():
        means = [
            sum(head.metrics[metric] for head in fold.heads) / len(fold.heads)
            for fold in entry.folds
            if all(metric in head.metrics for head in fold.heads)
        ]
        if len(means) != len(entry.folds) or abs(sum(means) / len(means) - value) > EQUAL:
            yield f"{metric} {value:.6g} is not the mean of what its folds and seeds came to"


def _without_heads(entry: Entry) -> Iterator[str]:
    """Check a result of which the metrics alone are known, as they stand in a paper's table."""
    if entry.dataset is None or len(entry.dataset.folds) != 1:
        return
    parts = entry.dataset.folds[0]
    size = parts.test_normal + parts.test_pneumonia
    decimals = {metric: len(f"{value:.12g}".partition(".")[2]) for metric, value in entry.metrics.items()}
    if problem := impossible(entry.metrics, size=size, positives=parts.test_pneumonia, decimals=decimals):
        yield problem
