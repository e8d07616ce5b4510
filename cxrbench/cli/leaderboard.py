"""`cxrbench leaderboard`: print the leaderboards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cxrbench.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def leaderboard(
    context: typer.Context,
    sort: Annotated[str, typer.Option(metavar="METRIC", help="Metric to rank by [default: the search metric]")] = "",
    format: Annotated[
        Literal["table", "csv", "md", "json", "html", "latex"] | None,
        typer.Option(help="Output format [default: table]", show_default=False),
    ] = None,
    notes: Annotated[bool, typer.Option("--notes", help="Print all notes below the table, also on a terminal")] = False,
    predictions: Annotated[
        str,
        typer.Option(metavar="ENTRY", help="Print the stored scores of one row as CSV: recipe, rank, or JSON file of an entry"),
    ] = "",
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page in a browser; with several protocols, the page that lists them")
    ] = False,
) -> None:
    """Print the leaderboards in a folder, one per protocol."""
    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.evaluation.metrics import SORTABLE
    from cxrbench.evaluation.prediction_csv import predictions_as_csv
    from cxrbench.leaderboard.board import read_boards
    from cxrbench.leaderboard.lookup import find_predictions
    from cxrbench.leaderboard.publish import write_pages
    from cxrbench.leaderboard.shifted_ranks import RANKED

    if sort and sort not in (*SORTABLE, *RANKED):
        raise ConfigError(f"--sort {sort}: must be one of {', '.join((*SORTABLE, *RANKED))}")
    if predictions and (sort or open_page or format not in {None, "csv"}):
        raise ConfigError("--predictions prints the scores of one row as CSV: leave --sort, --format and --open out")
    if open_page and (sort or format not in {None, "html"}):
        raise ConfigError("--open opens the page as it was written: leave --sort out, and --format unless it is html")
    out = read_settings(context.obj).out
    if predictions:
        console.print_text(predictions_as_csv(find_predictions(predictions, out)))
    elif open_page:
        _open(write_pages(out, read_boards(out)))
    else:
        _print(out, sort, format, with_notes=notes)


def _print(out: Path, sort: str, format: str | None, *, with_notes: bool) -> None:
    from cxrbench.cli import console
    from cxrbench.leaderboard.board import read_boards
    from cxrbench.leaderboard.latex import board_as_latex
    from cxrbench.leaderboard.render import board_as_markdown, records_as_csv
    from cxrbench.leaderboard.report.boards_page import boards_as_html
    from cxrbench.leaderboard.report.page import board_as_html

    boards = read_boards(out)
    if format == "html":
        console.print_text(board_as_html(boards[0], sort) if len(boards) == 1 else boards_as_html(out))
    elif format == "json":
        console.print_json([record for board in boards for record in board.records(sort)])
    elif format == "csv":
        console.print_text(records_as_csv(record for board in boards for record in board.records(sort)))
    elif format in {"md", "latex"}:
        render = board_as_markdown if format == "md" else board_as_latex
        console.print_text("\n".join(render(board, sort) for board in boards))
    else:
        for board in boards:
            console.print_board(board, sort, with_notes=with_notes)


def _open(page: Path) -> None:
    """Open a page in a browser, and print its path."""
    import webbrowser

    from cxrbench.cli import console

    console.print_text(f"{page}\n")
    if not webbrowser.open(page.resolve().as_uri()):
        raise ConfigError(f"no browser was found: open {page} yourself")
