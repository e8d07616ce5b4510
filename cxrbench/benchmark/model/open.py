"""Find the model that the user names: a row of a leaderboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.benchmark.model.kept import load_kept
from cxrbench.leaderboard.lookup import find_entry

if TYPE_CHECKING:
    from pathlib import Path

    from cxrbench.benchmark.model.choice import HeadChoice
    from cxrbench.benchmark.model.kept import Surroundings
    from cxrbench.benchmark.model.model import Model


def open_model(text: str, out: Path, choice: HeadChoice, surroundings: Surroundings) -> Model:
    """Load a model by the rank, the recipe or the entry file of a row below `out`.

    Raises:
        ConfigError: there is no such row, or it has no such model.
    """
    return load_kept(find_entry(text, out), choice, surroundings)
