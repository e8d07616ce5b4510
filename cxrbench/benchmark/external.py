"""External test sets: images of another source, scored with the frozen heads. Their results are kept apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.benchmark.entries import class_labels, summarise_under
from cxrbench.benchmark.seen import seen_warnings
from cxrbench.benchmark.selection import smaller_extraction_warnings, smaller_scoring_warnings, submit_scoring
from cxrbench.config.recipe import stem_of
from cxrbench.evaluation.prediction_table import write_predictions
from cxrbench.leaderboard.store.external_result import ExternalResult
from cxrbench.models.features.feature_source import ExtractionFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.benchmark.context import ExternalTestSet, RunContext
    from cxrbench.benchmark.plan import PlannedRecipe
    from cxrbench.benchmark.selection import Selection
    from cxrbench.config.protocol import Protocol
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.evaluation.summary import Summary
    from cxrbench.models.features.feature_source import FeatureSource
    from cxrbench.storage.sharded_array import ShardedArray


def score_externals(
    run: RunContext, recipe: PlannedRecipe, source: FeatureSource, selections: Sequence[Selection]
) -> list[str]:
    """Score every external test set with the frozen heads, write the results, and return warnings."""
    warnings: list[str] = []
    for test_set in run.externals:
        try:
            views = [source.external(test_set.name, selection.params) for selection in selections]
        except ExtractionFailed as error:
            warnings.append(f"external {test_set.name} was not scored: {error}")
            continue
        if recipe.stage == "head":  # a network sees the images themselves, which nothing has extracted
            warnings += smaller_extraction_warnings(views)
        warnings += _score_external(run, test_set, recipe, list(zip(selections, views, strict=True)))
    return warnings


def _score_external(
    run: RunContext, test_set: ExternalTestSet, recipe: PlannedRecipe, heads: Sequence[tuple[Selection, ShardedArray]]
) -> tuple[str, ...]:
    dataset = test_set.dataset
    calls = [submit_scoring(selection, view, dataset.rows, run.executor) for selection, view in heads]
    scored = [call.result() for call in calls]
    rows = np.arange(len(dataset.rows))
    predictions = [
        (selection.identity, selection.predictions(dataset, rows, "external", one.value))
        for (selection, _), one in zip(heads, scored, strict=True)
    ]
    write_external(run, test_set, str(recipe), predictions)
    name = f"external {test_set.name}"
    seen = seen_warnings(recipe.recipe.backbone, dataset.collections, name)
    return (*seen, *smaller_scoring_warnings(name, (one.batch for one in scored)))


def write_external(run: RunContext, test_set: ExternalTestSet, recipe: str, heads: Sequence[tuple[str, Predictions]]) -> None:
    """Write the result of a recipe on an external test set: the hash of each head's selection, and its predictions."""
    selections, predictions = zip(*heads, strict=True)
    write_predictions(run.store.external_predictions(test_set.name, stem_of(recipe)), predictions)
    dataset, labels = test_set.dataset, test_set.dataset.labels
    summary = summarise_external(run.protocol, predictions)
    run.store.add_external(
        stem_of(recipe),
        ExternalResult(
            name=test_set.name,
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            class_names=class_labels(dataset.class_names),
            negative=int(np.sum(labels == 0)),
            positive=int(np.sum(labels == 1)),
            recipe=recipe,
            selections=selections,
            metrics=summary.metrics,
            intervals=summary.intervals,
        ),
    )


def summarise_external(protocol: Protocol, predictions: Sequence[Predictions]) -> Summary:
    """Return metrics and intervals of heads that scored the same external images, each at its own threshold."""
    # All heads score the same images, so the bootstrap treats them as repeats of one fold.
    repeats = [replace(one, fold=0, seed=number) for number, one in enumerate(predictions)]
    return summarise_under(protocol, repeats)
