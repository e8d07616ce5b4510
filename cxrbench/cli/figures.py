"""`cxrbench figures`: write the figures of rows for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def figures(
    context: typer.Context,
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="Folder for the files; those of an earlier call are replaced")
    ],
    rows: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ROW",
            help="Recipes as shown in the table, ranks, or JSON files of entries [default: the best row of each backbone]",
            show_default=False,
        ),
    ] = None,
    format: Annotated[Literal["svg", "pdf", "png"], typer.Option(help="Format of the files")] = "svg",
) -> None:
    """Write the figures of some rows, and the intervals of the board, for a paper.

    ROC, precision-recall, calibration, confusion matrix, loss and accuracy. They print well in grey, and the same results give
    the same files. Prints the paths. Needs: pip install 'cxrbench[figures]'
    """
    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.leaderboard.lookup import find_rows
    from cxrbench.leaderboard.plots.canvas import require_matplotlib
    from cxrbench.leaderboard.plots.files import write_figures

    require_matplotlib()
    board, chosen = find_rows(rows or (), read_settings(context.obj).out)
    for path in write_figures(board, chosen, to, format):
        console.print_text(f"{path}\n")
