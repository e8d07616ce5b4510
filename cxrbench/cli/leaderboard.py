"""`cxrbench leaderboard`: print the leaderboards."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cxrbench.errors import ConfigError


def leaderboard(
    context: typer.Context,
    sort: Annotated[str, typer.Option(metavar="METRIC", help="Metric to rank by [default: the search metric]")] = "",
    format: Annotated[
        Literal["table", "csv", "md", "json"] | None, typer.Option(help="Output format [default: table]", show_default=False)
    ] = None,
    predictions: Annotated[
        str,
        typer.Option(metavar="ENTRY", help="Print the stored scores of one row as CSV: recipe, rank, or JSON file of an entry"),
    ] = "",
) -> None:
    """Print the leaderboards in a folder, one per protocol."""
    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.evaluation.metrics import SORTABLE
    from cxrbench.evaluation.prediction_csv import predictions_as_csv
    from cxrbench.leaderboard.board import read_boards
    from cxrbench.leaderboard.lookup import find_predictions
    from cxrbench.leaderboard.render import board_as_markdown, records_as_csv
    from cxrbench.leaderboard.shifted_ranks import RANKED

    if sort and sort not in (*SORTABLE, *RANKED):
        raise ConfigError(f"--sort {sort}: must be one of {', '.join((*SORTABLE, *RANKED))}")
    out = read_settings(context.obj).out
    if predictions:
        if sort or format not in {None, "csv"}:
            raise ConfigError("--predictions prints the scores of one row as CSV: leave --sort and --format out")
        console.print_text(predictions_as_csv(find_predictions(predictions, out)))
        return
    boards = read_boards(out)
    if format == "json":
        console.print_json([record for board in boards for record in board.records(sort)])
    elif format == "csv":
        console.print_text(records_as_csv(record for board in boards for record in board.records(sort)))
    elif format == "md":
        console.print_text("\n".join(board_as_markdown(board, sort) for board in boards))
    else:
        for board in boards:
            console.print_board(board, sort)
