"""Score shifted test images with the frozen heads. Results are kept beside the entries, which do not depend on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.benchmark.entries import measure_under, summary_under
from cxrbench.benchmark.selection import submit_scoring
from cxrbench.benchmark.wanted_shifts import STANDARD, is_standard
from cxrbench.evaluation.bootstrap import draw_patients
from cxrbench.evaluation.prediction_table import write_predictions
from cxrbench.evaluation.shifted import best_accuracy, recalibration
from cxrbench.evaluation.summary import mean_measured
from cxrbench.leaderboard.store.shift_result import Loss, ShiftResult, ShiftScore, write_shift_result
from cxrbench.models.features.feature_source import ExtractionFailed, setting_of
from cxrbench.storage.safe_text import without_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxrbench.benchmark.context import RunContext
    from cxrbench.benchmark.plan import PlannedRecipe
    from cxrbench.benchmark.selection import Selection
    from cxrbench.benchmark.shifted_images import ShiftedImages
    from cxrbench.config.protocol import Protocol
    from cxrbench.data.shifted import Shifted
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.evaluation.summary import Measured, Summary
    from cxrbench.models.features.feature_source import FeatureSource
    from cxrbench.storage.sharded_array import ShardedArray

METRICS = ("auc", "accuracy", "recall", "specificity", "brier")
"""What is said of shifted images; further metrics would take most of the time of the bootstrap."""


def score_shifts(run: RunContext, recipe: PlannedRecipe, source: FeatureSource, selections: Sequence[Selection]) -> list[str]:
    """Score the shifted test images with the frozen heads, write the result, and return warnings."""
    if not run.shifts:
        return []
    found: dict[Shifted, ShiftScore] = {}
    means: dict[str, Any] = {"metrics": {}, "intervals": {}}
    for images in run.shifts:
        views = {shift: _ShiftedViews(images=images, recipe=recipe, source=source, shift=shift) for shift in images.wanted}
        outcomes = {shift: _score(run, recipe, selections, view) for shift, view in views.items()}
        scored = {shift: outcome for shift, outcome in outcomes.items() if not isinstance(outcome, str)}
        for shift, heads in scored.items():
            write_predictions(run.store.shift_predictions(recipe.stem, str(shift)), heads)
        drawn = draw_patients(next(iter(scored.values())), run.protocol.seed) if scored else None  # the same for all shifts
        measured = {shift: measure_under(run.protocol, heads, METRICS, drawn) for shift, heads in scored.items()}
        summaries = {shift: summary_under(run.protocol, one) for shift, one in measured.items()}
        found |= {shift: _shift_score(recipe, shift, outcomes[shift], summaries.get(shift)) for shift in images.wanted}
        means |= _standard(run.protocol, measured)
    scores = tuple(found[shift] for shift in run.plan.request.shifts)
    selected = tuple(selection.identity for selection in selections)
    write_shift_result(
        run.store.shifts(recipe.stem), ShiftResult(recipe=str(recipe), selections=selected, scores=scores, **means)
    )
    return [f"shift {score.name} was not scored: {score.problem}" for score in scores if score.problem]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShiftedViews:
    """The test images under one shift, as each head of a recipe sees them."""

    images: ShiftedImages
    recipe: PlannedRecipe
    source: FeatureSource
    shift: Shifted

    def of(self, selection: Selection) -> ShardedArray:
        """Return the features under the backbone of a selection, or the images that its network sees."""
        return self.images.view(self.recipe, setting_of(self.source.space, selection.params), self.shift)


def _score(
    run: RunContext, recipe: PlannedRecipe, selections: Sequence[Selection], views: _ShiftedViews
) -> tuple[Predictions, ...] | str:
    """Return the predictions of each head, or why there are none."""
    try:
        return tuple(_predictions(run, recipe, selection, views) for selection in selections)
    except ExtractionFailed as error:
        return str(error)


def _predictions(run: RunContext, recipe: PlannedRecipe, selection: Selection, views: _ShiftedViews) -> Predictions:
    features = views.of(selection)
    test = run.test.open(recipe.stem, selection.fold, selection.seed, selection.identity)
    test = test[views.images.among(run.dataset.rows[test])]
    scored = submit_scoring(selection, features, views.images.places(run.dataset.rows[test]), run.executor).result()
    return selection.predictions(run.dataset, test, "test", scored.value)


def _shift_score(
    recipe: PlannedRecipe, shift: Shifted, outcome: tuple[Predictions, ...] | str, summary: Summary | None
) -> ShiftScore:
    spec, augmentation = shift.part.spec, recipe.recipe.augmentation.spec.name
    problem = outcome if isinstance(outcome, str) else ""
    return ShiftScore(
        name=str(shift),
        shift=str(shift.part.component),
        strength=shift.strength,
        unit=spec.unit,
        role=spec.role,
        covered=augmentation in spec.covered_by,
        identity=shift.identity,
        standard=is_standard(shift),
        problem=without_paths(problem),
        images=None if isinstance(outcome, str) else sum(len(head.labels) for head in outcome if head.seed == outcome[0].seed),
        metrics=summary.metrics if summary else {},
        intervals=summary.intervals if summary else {},
        loss=None if isinstance(outcome, str) else _loss(outcome),
    )


def _loss(heads: Sequence[Predictions]) -> Loss:
    """Return the means over heads."""
    calibrations = [recalibration(head.labels, head.scores) for head in heads]
    known = [one for one in calibrations if one]
    slope, intercept = np.mean(known, axis=0).tolist() if len(known) == len(heads) else (None, None)
    return Loss(
        best_accuracy=float(np.mean([best_accuracy(head.labels, head.scores) for head in heads])),
        slope=slope,
        intercept=intercept,
    )


def _standard(protocol: Protocol, measured: Mapping[Shifted, Measured]) -> dict[str, Any]:
    """Return the means over the standard kinds, if all are here."""
    found = [one for shift, one in measured.items() if is_standard(shift)]
    if len(found) < len(STANDARD):
        return {}
    summary = summary_under(protocol, mean_measured(found))
    return {"metrics": summary.metrics, "intervals": summary.intervals}
