"""Rank all entries of a protocol and write the tables and the page that people and scripts read."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from cxrbench.errors import CxrbenchError
from cxrbench.leaderboard.board import read_board
from cxrbench.leaderboard.render import board_as_markdown, records_as_csv
from cxrbench.leaderboard.report.boards_page import PAGE, boards_as_html
from cxrbench.leaderboard.report.page import board_as_html
from cxrbench.storage.files import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.store.folder import ProtocolFolder


def publish(store: ProtocolFolder) -> Board:
    """Read all entries of a protocol's folder, write LEADERBOARD.md, leaderboard.csv and index.html, and return the board.

    If there are several protocols, write the page that lists them, too.
    """
    board = read_board(store.path)
    write_text(store.path / "LEADERBOARD.md", board_as_markdown(board))
    write_text(store.path / "leaderboard.csv", records_as_csv(board.records()))
    write_text(store.path / PAGE, board_as_html(board))
    with suppress(CxrbenchError):  # the folder of another protocol is damaged: this run is not to blame
        write_list(store.out)
    return board


def write_pages(out: Path, boards: Sequence[Board]) -> Path:
    """Write the page of each board that has none, and the list of several; return the page to begin with."""
    pages = [out / board.name / PAGE for board in boards]
    for page, board in zip(pages, boards, strict=True):
        if not page.is_file():
            write_text(page, board_as_html(board))
    return write_list(out) or pages[0]


def write_list(out: Path) -> Path | None:
    """Write the page that lists the boards of several protocols and return its path; None if there is only one."""
    if len(list(out.glob("*/protocol.json"))) < 2:
        return None
    write_text(out / PAGE, boards_as_html(out))
    return out / PAGE
