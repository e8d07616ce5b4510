"""What earlier runs and other processes have finished, where it is on record, and how a run starts over beside it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cxrbench.benchmark.context import result_identity, study_identity
from cxrbench.benchmark.recipes import Features, Unavailable
from cxrbench.leaderboard.store.attempts import begin_attempt
from cxrbench.search.database import open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pydantic import SecretStr

    from cxrbench.benchmark.recipes import Needed
    from cxrbench.config.component import Part
    from cxrbench.config.recipe import Recipe
    from cxrbench.data.catalogue import Catalogues
    from cxrbench.execution.progress import Progress
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.leaderboard.store.folder import ProtocolFolder
    from cxrbench.plugin.specs import Engine
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


def what_is_finished(
    folder: ProtocolFolder, engine: Part[Engine], sources: Catalogues
) -> Callable[[Recipe, Features | Unavailable], bool]:
    """Return what tells whether a recipe was finished, with the same features and plugins and on the same test sets."""
    externals = [(name, catalogue.fingerprint) for name, catalogue in sources.external.items()]

    def is_finished(recipe: Recipe, features: Features | Unavailable) -> bool:
        if isinstance(features, Unavailable):
            return False
        identity = result_identity(folder.protocol, engine, recipe, features.folders)
        return folder.finished(recipe.file_stem, identity, externals)

    return is_finished


def entered_meanwhile(
    folder: ProtocolFolder, recipes: Iterable[Recipe], is_finished: Callable[[Recipe, Features | Unavailable], bool]
) -> Callable[[Recipe, Features | Unavailable], Entry | None]:
    """Return what tells the entry of a recipe if another process writes one, from now on, that will do."""
    news = folder.news(recipe.file_stem for recipe in recipes)

    def entered(recipe: Recipe, features: Features | Unavailable) -> Entry | None:
        entry = news(recipe.file_stem)
        return entry if entry and (entry.status != "complete" or is_finished(recipe, features)) else None

    return entered
