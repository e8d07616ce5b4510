"""Find the model that the user names: a row of a leaderboard, or the folder of an exported model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.benchmark.model.choice import HeadChoice
from cxrbench.benchmark.model.exported import load_exported
from cxrbench.benchmark.model.kept import load_kept
from cxrbench.errors import ConfigError
from cxrbench.leaderboard.lookup import find_entry
from cxrbench.leaderboard.store.model_folder import RECORD, is_model_folder

if TYPE_CHECKING:
    from cxrbench.benchmark.model.backbone import Surroundings
    from cxrbench.benchmark.model.model import Model


def open_model(text: str, out: Path, choice: HeadChoice | None, surroundings: Surroundings) -> Model:
    """Load a model.

    Args:
        text: the folder of an exported model; or the rank, the recipe or the entry file of a row below `out`.
        out: folder of the leaderboards.
        choice: which heads of the row; None for the heads of all seeds of fold 0. An exported model has no choice.
        surroundings: what this machine has.

    Raises:
        ConfigError: there is no such model.
    """
    folder = Path(text)
    if is_model_folder(folder):
        if choice:
            raise ConfigError(f"{text} is an exported model, whose heads are chosen already: leave {choice.flags} out")
        return load_exported(folder, surroundings)
    if folder.is_dir() and "/" in text:
        raise ConfigError(
            f"{text}: no exported model here: {RECORD} is missing. Make one with: cxrbench export ROW --to {text}"
        )
    return load_kept(find_entry(text, out), choice or HeadChoice(), surroundings)
