"""One protocol's folder below `--out`: where its entries, predictions, studies and tables lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.files import write_json
from cxrbench.leaderboard.board import Board, read_board
from cxrbench.leaderboard.entry import Entry, read_entry, write_entry
from cxrbench.leaderboard.render import write_tables

if TYPE_CHECKING:
    from pathlib import Path

    from cxrbench.config import Protocol
    from cxrbench.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolFolder:
    """The self-contained folder of one protocol, and the studies beside it."""

    out: Path
    protocol: Protocol

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.out / self.protocol.name

    def predictions(self, recipe: Recipe) -> Path:
        """Where a recipe's predictions lie."""
        return self.path / "predictions" / f"{recipe.file_stem}.csv"

    def study(self, identity: str) -> Path:
        """Where the record of a study lies; it outlives the protocol's budget."""
        return self.out / "studies" / f"{identity[:16]}.journal"

    def finished(self, recipe: Recipe, study: str) -> bool:
        """Return whether an earlier run finished this recipe, with the same plugins."""
        path = self._entry(recipe)
        if not path.is_file() or not self.predictions(recipe).is_file():
            return False
        entry = read_entry(path)
        return entry.status == "complete" and entry.study == study

    def begin(self) -> None:
        """Write the protocol down."""
        write_json(self.path / "protocol.json", self.protocol.model_dump(mode="json"))

    def add(self, recipe: Recipe, entry: Entry) -> None:
        """Write an entry down; one that could not be had this time does not replace a finished one."""
        path = self._entry(recipe)
        if entry.status == "unavailable" and path.is_file() and read_entry(path).status == "complete":
            return
        write_entry(path, entry)

    def close(self) -> Board:
        """Read all entries, write the tables and return the board."""
        board = read_board(self.path)
        write_tables(self.path, board)
        return board

    def _entry(self, recipe: Recipe) -> Path:
        return self.path / "entries" / f"{recipe.file_stem}.json"
