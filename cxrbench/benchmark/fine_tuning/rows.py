"""The training rows of networks: those that the imbalance strategy makes for the heads of the same recipe."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cxrbench.benchmark.features import RecipeFeatures
from cxrbench.benchmark.studies import head_job
from cxrbench.models.features.feature_source import ExtractionFailed
from cxrbench.storage.files import digest

if TYPE_CHECKING:
    from cxrbench.benchmark.context import RunContext
    from cxrbench.benchmark.plan import PlannedRecipe
    from cxrbench.models.training.jobs import HeadJob


def rows_job(run: RunContext, recipe: PlannedRecipe, fold: int) -> HeadJob:
    """Return a job of heads for its rows. A strategy that needs features gets them, also if the cache was cleared since.

    Raises:
        ExtractionFailed: they cannot be extracted any more.
    """
    job = head_job(run, recipe, fold)
    if not recipe.recipe.imbalance.spec.needs_features:
        images = run.plan.catalogues.main.pixels.array
        return replace(job, study=digest([job.study, "rows"]), views=(images,))
    assert isinstance(recipe.features, RecipeFeatures)
    clean = recipe.features.views[0]
    if problem := run.extraction.extract([clean]).wait(clean).problem:
        raise ExtractionFailed(problem)
    return replace(job, study=digest([job.study, "rows"]), views=(clean.features,))
