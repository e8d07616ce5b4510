"""One protocol's folder below `--out`: where its entries, predictions, seals, studies and tables lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.files import write_json
from cxrbench.leaderboard.board import Board, read_board
from cxrbench.leaderboard.entry_files import read_entry, read_external, write_entry
from cxrbench.leaderboard.render import write_tables

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cxrbench.config import Protocol
    from cxrbench.leaderboard.entry import Entry, ExternalResult


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolFolder:
    """The self-contained folder of one protocol, and the studies beside it; recipes go by their file stems."""

    out: Path
    protocol: Protocol

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.out / self.protocol.name

    @property
    def seals(self) -> Path:
        """Where it is written down which selections have seen the test images."""
        return self.path / "seals"

    def predictions(self, recipe: str) -> Path:
        """Where a recipe's predictions lie."""
        return self.path / "predictions" / f"{recipe}.csv"

    def external(self, name: str, recipe: str) -> Path:
        """Where a recipe's result on an external test set lies, its predictions beside it."""
        return self.path / "external" / name / f"{recipe}.json"

    def study(self, identity: str) -> Path:
        """Where the record of a study lies; it outlives the protocol's budget."""
        return self.out / "studies" / f"{identity[:16]}.journal"

    def finished(self, recipe: str, study: str, externals: Iterable[tuple[str, str]] = ()) -> bool:
        """Return whether an earlier run finished this recipe with the same plugins.

        Args:
            recipe: its file stem.
            study: what its result depends on besides the budget.
            externals: name and fingerprint of each external test set that it must have been scored on.
        """
        if self.study_of(recipe) != study or not self.predictions(recipe).is_file():
            return False
        selections = read_entry(self._entry(recipe)).selections
        return all(self._is_scored(recipe, selections, name, fingerprint) for name, fingerprint in externals)

    def study_of(self, recipe: str) -> str:
        """Return what the finished result of a recipe depends on; empty if there is none."""
        path = self._entry(recipe)
        entry = read_entry(path) if path.is_file() else None
        return entry.study if entry and entry.status == "complete" else ""

    def check(self) -> None:
        """Raise CxrbenchError if an entry of an earlier run cannot be read; better before the work than after it."""
        for path in sorted((self.path / "entries").glob("*.json")):
            read_entry(path)

    def begin(self) -> None:
        """Write the protocol down."""
        write_json(self.path / "protocol.json", self.protocol.model_dump(mode="json"))

    def add(self, recipe: str, entry: Entry) -> None:
        """Write an entry down; one that is not complete does not replace one that is."""
        if entry.status == "complete" or not self.study_of(recipe):
            write_entry(self._entry(recipe), entry)

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

    def _is_scored(self, recipe: str, selections: tuple[str, ...], name: str, fingerprint: str) -> bool:
        path = self.external(name, recipe)
        if not path.is_file():
            return False
        result = read_external(path)
        return result.fingerprint == fingerprint and result.selections == selections
