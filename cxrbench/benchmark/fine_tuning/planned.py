"""What the result of a fine-tuned recipe depends on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cxrbench.storage.files import digest

if TYPE_CHECKING:
    from cxrbench.benchmark.fine_tuning.candidates import Candidate
    from cxrbench.benchmark.plan import PlannedRecipe
    from cxrbench.config.settings import Settings

FORMAT = 1
"""Part of every identity. Raise it when a change of the training gives other networks."""


def planned_network(candidate: Candidate, settings: Settings) -> PlannedRecipe:
    """Return a recipe at the stage ``fine-tuned``, from the heads that were selected for it.

    A study depends on the heads that it starts from and on the number of epochs; the result also on the number of trials.
    """
    recipe = candidate.recipe
    studies = tuple(
        digest(
            [recipe.studies[fold.fold], "fine-tuned", FORMAT, settings.fine_tune_epochs, [one.selection for one in fold.heads]]
        )
        for fold in candidate.entry.folds
    )
    identity = digest([*studies, settings.fine_tune_trials])
    budget = {"trials": settings.fine_tune_trials, "epochs": settings.fine_tune_epochs}
    return replace(recipe, stage="fine-tuned", studies=studies, identity=identity, budget=budget, remarks=candidate.remarks)
