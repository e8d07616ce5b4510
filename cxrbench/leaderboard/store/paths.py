"""Where files of a recipe are in the folder of a protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxrbench.config.values import Stage


def predictions_path(recipe: str) -> str:
    """Return where the table of a recipe, named by its file stem, is in the protocol's folder."""
    return f"predictions/{recipe}.npz"


def models_path(recipe: str, stage: Stage) -> str:
    """Return where the models of a recipe, named likewise, are there."""
    return f"models/{recipe}/{stage}"
