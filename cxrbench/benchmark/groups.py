"""The results of an entry by groups of its test images: ages, sexes, views and sites, as far as records have them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.columns import groups_among
from cxrbench.evaluation.groups import all_images, measure_group
from cxrbench.evaluation.predictions import by_fold
from cxrbench.leaderboard.store.group_result import GroupDifference, GroupResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cxrbench.config.protocol import Protocol
    from cxrbench.evaluation.bootstrap import FoldDraws
    from cxrbench.evaluation.groups import GroupMeasures
    from cxrbench.evaluation.predictions import Predictions


def group_results(protocol: Protocol, tested: Sequence[Predictions], drawn: Mapping[int, FoldDraws]) -> tuple[GroupResult, ...]:
    """Return the result of each group of the test images.

    The groups that the split leaves out are folds, whose results are there already.

    Args:
        protocol: of the entry.
        tested: test predictions of each head.
        drawn: the draws of the patients, by fold.
    """
    groups = list(_groups_of(tested, protocol.left_out_by))
    if not groups:
        return ()
    everything = all_images(tested, drawn, protocol.prevalence)
    return tuple(_result(protocol, column, group, measure_group(everything, column, group)) for column, group in groups)


def _groups_of(tested: Sequence[Predictions], left_out_by: str) -> Iterator[tuple[str, str]]:
    """Yield each column with each of its groups."""
    heads = [of_fold[0] for of_fold in by_fold(tested).values()]
    for column in heads[0].groups:
        if column != left_out_by:
            values = np.concatenate([head.groups[column] for head in heads])
            yield from ((column, group) for group in groups_among(values))


def _result(protocol: Protocol, column: str, group: str, found: GroupMeasures) -> GroupResult:
    counted = GroupResult(column=column, group=group, negative=found.negative, positive=found.positive, folds=found.folds)
    if not (found.summary and found.difference):
        return counted
    if protocol.left_out and found.folds > 1:  # a mean over groups that are left out has no interval
        return counted.model_copy(update={"metrics": found.summary.metrics})
    difference = asdict(found.difference)
    return counted.model_copy(
        update={
            "metrics": found.summary.metrics,
            "intervals": found.summary.intervals,
            "difference": GroupDifference(value=difference.pop("difference"), **difference),
        }
    )
