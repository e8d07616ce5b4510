"""Refuse entries whose numbers contradict each other."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cxrbench.leaderboard.store.group_check import contradicting_groups
from cxrbench.leaderboard.store.plausibility import contradicts_confusion, wrong_intervals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.leaderboard.store.entry import Entry, FoldResult, HeadResult, MeanResult

EQUAL = 1e-9
"""Largest difference between a stored mean and the mean of the stored values."""


def contradiction(entry: Entry) -> str:
    """Return a sentence that names the first wrong number of an entry, or ""."""
    return next(_contradictions(entry), "")


def _contradictions(entry: Entry) -> Iterator[str]:
    if entry.status != "complete":
        return
    if entry.dataset is None or entry.dataset.fingerprint != entry.protocol.fingerprint:
        yield "its dataset is missing, or is not that of its protocol"
    yield from _outside(entry)
    if not entry.folds:
        yield "the results of its folds and heads are missing"
        return
    if problem := _incomplete(entry):
        yield problem
        return
    for fold in entry.folds:
        if problem := _of_history(fold):
            yield f"fold {fold.fold}: {problem}"
        for head in fold.heads:
            if problem := _of_head(entry, fold, head):
                yield f"fold {fold.fold}, seed {head.seed}: {problem}"
        if fold.mean and (problem := _of_head(entry, fold, fold.mean)):
            yield f"fold {fold.fold}, mean of the seeds: {problem}"
        yield from (f"fold {fold.fold}: {problem}" for problem in wrong_intervals(fold.metrics, fold.intervals))
    yield from _wrong_means(entry)
    yield from wrong_intervals(entry.metrics, entry.intervals)
    yield from contradicting_groups(entry)


def _outside(entry: Entry) -> Iterator[str]:
    """Find metrics outside 0..1."""
    heads = [head.metrics for fold in entry.folds for head in (*fold.heads, *([fold.mean] if fold.mean else ()))]
    for metrics in (entry.metrics, *(fold.validation for fold in entry.folds), *heads):
        yield from (f"{name} {value:g} is not in 0..1" for name, value in metrics.items() if not 0 <= value <= 1)


def _incomplete(entry: Entry) -> str:
    """Return which folds or seeds of the protocol are missing or occur twice."""
    protocol, parts = entry.protocol, entry.dataset.folds if entry.dataset else ()
    folds = [fold.fold for fold in entry.folds]
    if folds != list(range(protocol.folds)) or len(parts) != protocol.folds:
        return f"it has results of the folds {folds} and image counts of {len(parts)}, not each of {protocol.folds} folds once"
    if (groups := tuple(fold.group for fold in entry.folds if fold.group)) != protocol.left_out:
        return f"its folds leave out the groups {list(groups)}, expected {list(protocol.left_out)}"
    seeds = list(range(1 if entry.kind == "baseline" else protocol.seeds))
    for fold in entry.folds:
        if (found := [head.seed for head in fold.heads]) != seeds:
            return f"fold {fold.fold} has the seeds {found}, expected {seeds}"
    return ""


def _of_history(fold: FoldResult) -> str:
    """Return what is wrong with the trials of a fold; entries of earlier versions hold none."""
    history, count = fold.history, len(fold.history.states)
    columns = (history.values, history.seconds, *history.params.values())
    if any(len(column) != count for column in columns):
        return "its trials do not have one value in each column"
    if not count:
        return ""
    if Counter(history.states) != fold.trials:
        return f"its trials are {dict(Counter(history.states))}, but it counts {fold.trials}"
    numbers = [remark.number for remark in history.remarks]
    if len(set(numbers)) < len(numbers) or max(numbers, default=0) >= count:
        return "it has remarks of trials that it does not have, or two of one trial"
    for number, (state, value) in enumerate(zip(history.states, history.values, strict=True)):
        if (value is not None) != (state == "complete") or not 0 <= (value or 0) <= 1:
            return f"trial {number} is {state} and has the value {value}"
    return _of_selected_trial(fold)


def _of_selected_trial(fold: FoldResult) -> str:
    number, states = fold.selected_trial, fold.history.states
    if number is None or not 0 <= number < len(states) or states[number] != "complete":
        return f"its selected trial, {number}, is not one of its complete trials"
    params = fold.history.params_of(number)
    if {name: params.get(name) for name in fold.params} != fold.params:
        return f"its parameters are not those of its selected trial, {number}"
    return ""


def _of_head(entry: Entry, fold: FoldResult, head: HeadResult | MeanResult) -> str:
    counts = head.confusion
    if min(counts.tp, counts.fp, counts.fn, counts.tn) < 0:
        return "its confusion matrix has a negative count"
    if entry.dataset and fold.fold < len(entry.dataset.folds):
        parts = entry.dataset.folds[fold.fold]
        if (counts.tp + counts.fn, counts.fp + counts.tn) != (parts.test_positive, parts.test_negative):
            return (
                f"its confusion matrix has {counts.tp + counts.fn} positive and {counts.fp + counts.tn} negative images, but "
                f"the test part has {parts.test_positive} and {parts.test_negative}"
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
            yield f"{metric} {value:.6g} is not the mean over its folds and seeds"
