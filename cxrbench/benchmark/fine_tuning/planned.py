"""What the results of trained networks depend on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cxrbench.benchmark.features import RecipeFeatures
from cxrbench.errors import ConfigError
from cxrbench.storage.files import digest

if TYPE_CHECKING:
    from cxrbench.benchmark.fine_tuning.candidates import Candidate
    from cxrbench.benchmark.plan import PlannedRecipe
    from cxrbench.config.settings import Settings

FORMATS = {"fine-tuned": 4, "from-scratch": 3}
"""Part of every identity, by stage. Raise one when a change of its training gives other networks."""


UPPER_HALF = 0.5
"""Share of the multiplications below the cut of ``auto``."""


def place_of(learns_from: str) -> float | str | None:
    """Return where the backbone of a recipe that learns from there is cut, as `cut` takes it; None for all of it."""
    return {"all": None, "auto": UPPER_HALF}.get(learns_from, learns_from)


def planned_fine_tuning(candidate: Candidate, settings: Settings) -> PlannedRecipe:
    """Return a recipe at the stage ``fine-tuned``, from the heads that were selected for it.

    A study depends on the heads that it starts from and on the number of epochs; the result also on the number of trials.
    """
    recipe, epochs, trials = candidate.recipe, settings.fine_tune_epochs, settings.fine_tune_trials
    heads = [[head.selection for head in fold.heads] for fold in candidate.entry.folds]
    cut = [] if candidate.learns_from == "all" else [place_of(candidate.learns_from)]
    studies = [
        digest([study, "fine-tuned", FORMATS["fine-tuned"], epochs, selected, *cut])
        for study, selected in zip(recipe.studies, heads, strict=True)
    ]
    return replace(
        recipe,
        stage="fine-tuned",
        studies=tuple(studies),
        identity=digest([*studies, trials]),
        budget={"trials": trials, "epochs": epochs},
        learns_from=candidate.learns_from,
        remarks=(*recipe.remarks, *candidate.remarks),
    )


def planned_from_scratch(recipe: PlannedRecipe, settings: Settings) -> PlannedRecipe:
    """Return a recipe at the stage ``from-scratch``. What it depends on is what its heads would depend on, and the epochs.

    Raises:
        ConfigError: its backbone has pretrained weights, or its strategy needs features.
    """
    features = recipe.features
    if isinstance(features, RecipeFeatures) and (features.views[0].weights.digest or features.is_searched):
        raise ConfigError(
            f"--from-scratch {recipe}: its backbone has pretrained weights, or parameters that are searched. Use one without, "
            f"such as {recipe.recipe.backbone.component.name}:weights=none"
        )
    if recipe.recipe.imbalance.spec.needs_features:
        raise ConfigError(
            f"--from-scratch {recipe}: {recipe.recipe.imbalance.component} works on features, which there are not"
        )
    epochs, trials = settings.from_scratch_epochs, settings.from_scratch_trials
    studies = [digest([study, "from-scratch", FORMATS["from-scratch"], epochs]) for study in recipe.studies]
    return replace(
        recipe,
        stage="from-scratch",
        studies=tuple(studies),
        identity=digest([*studies, trials]),
        budget={"trials": trials, "epochs": epochs},
    )
