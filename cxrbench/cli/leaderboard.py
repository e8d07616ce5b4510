"""`cxrbench leaderboard`: print what has been found so far."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cxrbench.errors import ConfigError


def leaderboard(
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where leaderboards were written [leaderboard]", show_default=False)
    ] = None,
    sort: Annotated[str, typer.Option(metavar="METRIC", help="Rank by this metric instead of the search's own")] = "",
    format: Annotated[Literal["table", "csv", "md", "json"], typer.Option(help="How to print")] = "table",
) -> None:
    """Print the leaderboards below a folder, one protocol after the other."""
    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.evaluation.metrics import SORTABLE
    from cxrbench.leaderboard.board import read_boards
    from cxrbench.leaderboard.render import board_as_markdown, records_as_csv

    if sort and sort not in SORTABLE:
        raise ConfigError(f"--sort {sort}: must be one of {', '.join(SORTABLE)}")
    boards = read_boards(read_settings({"out": out}).out)
    if format == "json":
        console.print_json([record for board in boards for record in board.records(sort)])
    elif format == "csv":
        console.print_text(records_as_csv(record for board in boards for record in board.records(sort)))
    elif format == "md":
        console.print_text("\n".join(board_as_markdown(board, sort) for board in boards))
    else:
        for board in boards:
            console.print_board(board, sort)
