"""`cxrbench leaderboard`: print the leaderboards."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cxrbench.cli.options import OutFolder  # noqa: TC001  # typer reads the annotations at run time
from cxrbench.errors import ConfigError


def leaderboard(
    out: OutFolder = None,
    sort: Annotated[str, typer.Option(metavar="METRIC", help="Metric to rank by [default: the search metric]")] = "",
    format: Annotated[Literal["table", "csv", "md", "json"], typer.Option(help="Output format")] = "table",
) -> None:
    """Print the leaderboards in a folder, one per protocol."""
    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.evaluation.metrics import SORTABLE
    from cxrbench.leaderboard.board import read_boards
    from cxrbench.leaderboard.render import as_csv, as_markdown

    if sort and sort not in SORTABLE:
        raise ConfigError(f"--sort {sort}: must be one of {', '.join(SORTABLE)}")
    ranked = [(board, board.rows(sort)) for board in read_boards(read_settings({"out": out}).out)]
    all_rows = [row for _, rows in ranked for row in rows]
    if format == "json":
        console.print_json(all_rows)
    elif format == "csv":
        console.print_text(as_csv(all_rows))
    elif format == "md":
        console.print_text("\n".join(as_markdown(board, rows, sort) for board, rows in ranked))
    else:
        for board, rows in ranked:
            console.print_board(board, rows, sort)
