"""The page that lists several boards, beside their folders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.leaderboard.report.environment import render
from cxrbench.leaderboard.store.entry_files import read_protocol

if TYPE_CHECKING:
    from pathlib import Path

    from cxrbench.config.protocol import Protocol

PAGE = "index.html"
"""The file of a page, in a protocol's folder and above several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedBoard:
    """One line of the list: the name of the folder, and its page, or the table of an earlier version."""

    name: str
    page: str
    protocol: Protocol


def boards_as_html(out: Path) -> str:
    """Return a page that lists the boards below `out`, by name.

    Raises:
        CxrbenchError: a protocol's file is invalid.
    """
    paths = sorted(out.glob("*/protocol.json"))
    boards = (
        ListedBoard(
            name=path.parent.name,
            page=next((name for name in (PAGE, "LEADERBOARD.md") if (path.parent / name).is_file()), ""),
            protocol=read_protocol(path),
        )
        for path in paths
    )
    return render("index.html.j2", boards=tuple(boards))
