"""Where studies are recorded, and how a run starts over beside what there is."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cxrbench.all_recipes import Features
from cxrbench.contest import study_identity
from cxrbench.leaderboard.attempts import begin_attempt
from cxrbench.search.database import open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import SecretStr

    from cxrbench.all_recipes import Needed
    from cxrbench.component import Part
    from cxrbench.leaderboard.folder import ProtocolFolder
    from cxrbench.plugin.specs import Engine
    from cxrbench.progress import Progress
    from cxrbench.search.database import Database


@contextmanager
def open_records(url: SecretStr | None, warn: Callable[[str], None]) -> Iterator[Database | None]:
    """Open the database of `--storage`; None where each study has a journal."""
    if not url:
        yield None
        return
    with open_database(url.get_secret_value(), warn) as database:
        yield database


def start_over(newest: ProtocolFolder, engine: Part[Engine], needed: Needed, progress: Progress) -> ProtocolFolder:
    """Return the folder of a new attempt, of which nothing is on record, not even where the folder of an old one is gone."""
    protocol, database = newest.protocol, newest.database
    names = database.names() if database else set()
    studies = [
        (str(recipe), study_identity(protocol, fold, engine, recipe, features.folders))
        for recipe, features in needed.items()
        if isinstance(features, Features)
        for fold in range(protocol.folds)
    ]

    def is_recorded(folder: ProtocolFolder) -> bool:
        return any(folder.study(one).exists() or folder.study_name(recipe, one) in names for recipe, one in studies)

    folder = begin_attempt(newest, is_recorded)
    progress.say(f"attempt {folder.attempt}, in {folder.path}: the same command without --fresh goes on with it")
    return folder
