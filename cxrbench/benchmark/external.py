"""External test sets: images of another source, scored with the frozen heads and kept apart from the protocol's own results."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.benchmark.one_fold import scored_images
from cxrbench.benchmark.selection import halved_scoring, submit_scoring
from cxrbench.evaluation.predictions import write_predictions
from cxrbench.leaderboard.store.entry import ExternalResult
from cxrbench.leaderboard.summaries import summarise_under

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.benchmark.context import Contest, External
    from cxrbench.benchmark.selection import Selection
    from cxrbench.config.protocol import Protocol
    from cxrbench.config.recipe import Recipe
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.evaluation.summary import Summary
    from cxrbench.execution.executor import Executor
    from cxrbench.storage.sharded_array import ShardedArray


def score_external(
    contest: Contest,
    external: External,
    recipe: Recipe,
    selections: Sequence[Selection],
    *,
    views: Sequence[ShardedArray],
    executor: Executor,
) -> tuple[str, ...]:
    """Score all images of an external test set with every frozen head, each on its view, and write the result down.

    Return what must be read with it.
    """
    dataset = external.dataset
    calls = [submit_scoring(one, view, dataset.rows, executor) for one, view in zip(selections, views, strict=True)]
    everything = np.arange(len(dataset.rows))
    scored = [
        scored_images("external", dataset, everything, call.result().value, fold=one.fold, seed=one.seed)
        for one, call in zip(selections, calls, strict=True)
    ]
    keep_external(
        contest,
        external,
        (recipe.file_stem, str(recipe)),
        scored,
        thresholds=[one.threshold for one in selections],
        selections=[one.identity for one in selections],
    )
    return halved_scoring(f"external {external.name}", (call.result().batch for call in calls))


def summarise_external(protocol: Protocol, scored: Sequence[Predictions], thresholds: Sequence[float]) -> Summary:
    """Compute what heads came to on the same external images, each at its own threshold."""
    # All heads score the same images: to the bootstrap they are repeats of one fold.
    units = [
        replace(one.at(threshold), fold=0, seed=number)
        for number, (one, threshold) in enumerate(zip(scored, thresholds, strict=True))
    ]
    return summarise_under(protocol, units)


def keep_external(
    contest: Contest,
    external: External,
    recipe: tuple[str, str],
    scored: Sequence[Predictions],
    *,
    thresholds: Sequence[float],
    selections: Sequence[str],
) -> None:
    """Write down what frozen heads came to on an external test set.

    Args:
        contest: whose heads they are.
        external: the test set.
        recipe: file stem and name.
        scored: its images by each head.
        thresholds: of each head.
        selections: the hash of each.
    """
    stem, name = recipe
    write_predictions(contest.folder.external_predictions(external.name, stem), scored)
    labels, summary = external.dataset.labels, summarise_external(contest.protocol, scored, thresholds)
    contest.folder.add_external(
        stem,
        ExternalResult(
            name=external.name,
            dataset=external.dataset.name,
            fingerprint=external.dataset.fingerprint,
            normal=int(np.sum(labels == 0)),
            pneumonia=int(np.sum(labels == 1)),
            recipe=name,
            selections=tuple(selections),
            metrics=summary.metrics,
            intervals=summary.intervals,
        ),
    )
