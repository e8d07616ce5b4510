"""Rank all entries of a protocol and write the tables that people and scripts read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.leaderboard.board import read_board
from cxrbench.leaderboard.render import board_as_markdown, records_as_csv
from cxrbench.storage.files import write_text

if TYPE_CHECKING:
    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.store.folder import ProtocolFolder


def publish(store: ProtocolFolder) -> Board:
    """Read all entries of a protocol's folder, write LEADERBOARD.md and leaderboard.csv, and return the board."""
    board = read_board(store.path)
    write_text(store.path / "LEADERBOARD.md", board_as_markdown(board))
    write_text(store.path / "leaderboard.csv", records_as_csv(board.records()))
    return board
