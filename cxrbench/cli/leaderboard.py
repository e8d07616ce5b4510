"""`cxrbench leaderboard`: print the leaderboards."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cxrbench.errors import ConfigError


def leaderboard(
    context: typer.Context,
    sort: Annotated[str, typer.Option(metavar="METRIC", help="Metric to rank by [default: the search metric]")] = "",
    format: Annotated[Literal["table", "csv", "md", "json"], typer.Option(help="Output format")] = "table",
) -> None:
    """Print the leaderboards in a folder, one per protocol."""
    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.evaluation.metrics import SORTABLE
    from cxrbench.leaderboard.board import read_boards
    from cxrbench.leaderboard.render import board_as_markdown, records_as_csv
    from cxrbench.leaderboard.standings import AUC_SHIFTED

    if sort and sort not in (*SORTABLE, AUC_SHIFTED):
        raise ConfigError(f"--sort {sort}: must be one of {', '.join((*SORTABLE, AUC_SHIFTED))}")
    boards = read_boards(read_settings(context.obj).out)
    if format == "json":
        console.print_json([record for board in boards for record in board.records(sort)])
    elif format == "csv":
        console.print_text(records_as_csv(record for board in boards for record in board.records(sort)))
    elif format == "md":
        console.print_text("\n".join(board_as_markdown(board, sort) for board in boards))
    else:
        for board in boards:
            console.print_board(board, sort)
