"""Find the model that the user names: a row of a leaderboard, or the folder of an exported model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.benchmark.model.backbone import Surroundings
from cxrbench.benchmark.model.choice import HeadChoice
from cxrbench.benchmark.model.exported import load_exported
from cxrbench.benchmark.model.kept import load_kept
from cxrbench.data.download import Downloader
from cxrbench.errors import ConfigError
from cxrbench.leaderboard.lookup import find_entry
from cxrbench.leaderboard.store.model_folder import RECORD, is_model_folder
from cxrbench.plugin.host import load_host

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cxrbench.benchmark.model.model import Model
    from cxrbench.config.settings import Settings
    from cxrbench.execution.progress import Progress


def surroundings(
    settings: Settings, progress: Progress, *, files: Iterable[str | Path] = (), trust_code: bool = False
) -> Surroundings:
    """Return what this machine has, by the settings: plugins, downloads, and the files that options name."""
    return Surroundings(
        host=load_host(settings.plugin, settings.blocked),
        downloader=Downloader(offline=settings.offline, say=progress.say),
        files=tuple(map(Path, files)),
        trust_code=trust_code,
    )


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
            raise ConfigError(
                f"{text} is an exported model, which is of chosen folds and seeds already: leave {choice.flags} out"
            )
        return load_exported(folder, surroundings)
    if folder.is_dir() and "/" in text:
        raise ConfigError(
            f"{text}: no exported model here: {RECORD} is missing. Make one with: cxrbench export ROW --to {text}"
        )
    return load_kept(find_entry(text, out, surroundings.downloader.say), choice or HeadChoice(), surroundings)
