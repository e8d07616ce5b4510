"""How many parameters the networks of a recipe have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.benchmark.features import RecipeFeatures
from cxrbench.errors import DiskFull, WorkersUnavailable
from cxrbench.models.features.frozen_backbone import count_parameters

if TYPE_CHECKING:
    from cxrbench.benchmark.context import RunContext
    from cxrbench.benchmark.outcomes import FoldOutcome
    from cxrbench.benchmark.plan import PlannedRecipe


def parameter_counts(run: RunContext, recipe: PlannedRecipe, fold: FoldOutcome) -> dict[str, int]:
    """Return the parameters of the backbone, built in a worker, and of a head of a fold.

    A backbone that is no network of Keras, whose parameters are searched, or that cannot be built any more has no count: its
    result needs none.

    Raises:
        DiskFull, WorkersUnavailable: as of any call of a worker.
    """
    head = fold.selections[0].model.scorer.parameters
    features = recipe.features
    if not isinstance(features, RecipeFeatures) or features.is_searched:
        return {"head": head}
    try:
        backbone = run.executor.submit(count_parameters, features.views[0].frozen_backbone).result()
    except (DiskFull, WorkersUnavailable):
        raise
    except Exception:
        backbone = None
    return {"head": head} if backbone is None else {"backbone": backbone, "head": head}
