"""One protocol's folder below `--out`: where its entries, predictions, seals, studies and tables lie."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.errors import CxrbenchError
from cxrbench.leaderboard.board import Board, read_board
from cxrbench.leaderboard.render import write_tables
from cxrbench.leaderboard.store.entry_files import read_external, read_placed_entry, write_entry
from cxrbench.leaderboard.store.names import folder_name, suffix
from cxrbench.leaderboard.store.test_lock import Seals
from cxrbench.storage.files import write_json
from cxrbench.storage.locks import try_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path

    from cxrbench.config.protocol import Protocol
    from cxrbench.leaderboard.store.entry import Entry, ExternalResult
    from cxrbench.search.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolFolder:
    """The self-contained folder of one protocol, and the studies beside it; recipes go by their file stems.

    Attributes:
        attempt: from 1; each starts over, with studies and seals of its own.
        database: where studies are recorded; None for a journal each.
    """

    out: Path
    protocol: Protocol
    attempt: int = 1
    database: Database | None = None

    @property
    def name(self) -> str:
        """What the folder is called."""
        return folder_name(self.protocol, self.attempt)

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.out / self.name

    @property
    def seals(self) -> Seals:
        """Where it is written down which selections have seen the test images."""
        return Seals(folder=self.path / "seals")

    def predictions(self, recipe: str) -> Path:
        """Where a recipe's predictions lie."""
        return self.path / "predictions" / f"{recipe}.csv"

    def external(self, name: str, recipe: str) -> Path:
        """Where a recipe's result on an external test set lies."""
        return self.path / "external" / name / f"{recipe}.json"

    def external_predictions(self, name: str, recipe: str) -> Path:
        """Where the scores behind it lie."""
        return self.external(name, recipe).with_suffix(".csv")

    def skipped(self, external: str = "") -> Path:
        """Where the list of files that could not be read lies, of an external test set or else of the images themselves."""
        return (self.path / "external" / external if external else self.path) / "skipped.csv"

    def relative(self, path: Path) -> str:
        """Return a path below the folder as entries hold it."""
        return path.relative_to(self.path).as_posix()

    def study(self, identity: str) -> Path:
        """Where the record of a study lies; it outlives the protocol's budget."""
        return self.out / "studies" / f"{identity[:16]}{suffix(self.attempt)}.journal"

    def study_name(self, recipe: str, identity: str) -> str:
        """Return what a study is called in a database, which it shares with others; at most 512 characters, Optuna's limit."""
        return f"{recipe[:400]} {identity[:16]}{suffix(self.attempt)}"

    def finished(self, recipe: str, study: str, externals: Iterable[tuple[str, str]] = ()) -> bool:
        """Return whether an earlier run finished this recipe with the same plugins.

        Args:
            recipe: its file stem.
            study: what its result depends on besides the budget.
            externals: name and fingerprint of each external test set that it must have been scored on.
        """
        entry = self._complete(recipe)
        if not entry or entry.study != study or not self.predictions(recipe).is_file():
            return False
        return all(self._is_scored(recipe, entry.selections, name, fingerprint) for name, fingerprint in externals)

    def study_of(self, recipe: str) -> str:
        """Return what the finished result of a recipe depends on; empty if there is none."""
        entry = self._complete(recipe)
        return entry.study if entry else ""

    @contextmanager
    def held(self, recipe: str, study: str) -> Iterator[bool]:
        """Hold a recipe and its studies, which other budgets share, unless somebody else does; yield whether they were free."""
        entry, record = self._entry(recipe).with_suffix(".lock"), self.study(study).with_suffix(".lock")
        with try_lock(entry) as entry_is_free, try_lock(record) as record_is_free:
            yield entry_is_free and record_is_free

    def news(self, recipes: Iterable[str]) -> Callable[[str], Entry | None]:
        """Return what tells the entry of a recipe if one has been written since this call, by whomever."""
        before = {recipe: self._stamp(recipe) for recipe in recipes}

        def written_since(recipe: str) -> Entry | None:
            return None if self._stamp(recipe) == before[recipe] else read_placed_entry(self._entry(recipe))

        return written_since

    def check(self, running: Collection[str]) -> None:
        """Look at what earlier runs left, before the work rather than after it.

        Args:
            running: file stems of the recipes that this run may enter anew.

        Raises:
            CxrbenchError: an entry that cannot be read, or whose predictions are gone.
        """
        for path in sorted((self.path / "entries").glob("*.json")):
            entry, table = read_placed_entry(path), self.predictions(path.stem)
            if entry.status == "complete" and path.stem not in running and not table.is_file():
                raise CxrbenchError(f"{path}: its predictions, {table}, are not there: bring them back, or remove the entry")

    def begin(self) -> None:
        """Write the protocol down."""
        write_json(self.path / "protocol.json", self.protocol.model_dump(mode="json"))

    def drop_if_empty(self) -> None:
        """Remove the folder if nothing is in it: the run ended before it began."""
        with suppress(OSError):
            self.path.rmdir()

    def add(self, recipe: str, entry: Entry) -> bool:
        """Write an entry down and return whether that was done: one that is not complete does not replace one that is."""
        if entry.status != "complete" and self._complete(recipe):
            return False
        write_entry(self._entry(recipe), entry)
        return True

    def add_external(self, recipe: str, result: ExternalResult) -> None:
        """Write a result on an external test set down."""
        write_json(self.external(result.name, recipe), result.model_dump(mode="json"))

    def close(self) -> Board:
        """Read all entries, write the tables and return the board."""
        board = read_board(self.path)
        write_tables(self.path, board)
        return board

    def _entry(self, recipe: str) -> Path:
        return self.path / "entries" / f"{recipe}.json"

    def _stamp(self, recipe: str) -> tuple[int, int] | None:
        try:
            status = self._entry(recipe).stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _complete(self, recipe: str) -> Entry | None:
        path = self._entry(recipe)
        entry = read_placed_entry(path) if path.is_file() else None
        return entry if entry and entry.status == "complete" else None

    def _is_scored(self, recipe: str, selections: tuple[str, ...], name: str, fingerprint: str) -> bool:
        path = self.external(name, recipe)
        if not path.is_file():
            return False
        result = read_external(path)
        return result.fingerprint == fingerprint and result.selections == selections
