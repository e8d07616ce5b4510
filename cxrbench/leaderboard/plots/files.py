"""Write the figures of some rows, and that of the board, as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.leaderboard.plots.canvas import require_matplotlib
from cxrbench.leaderboard.plots.chosen import chosen_rows
from cxrbench.leaderboard.plots.drawings import confusion, curves, intervals, training
from cxrbench.leaderboard.report.row_figures import curves_of
from cxrbench.storage.files import atomic_write, check_writable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.plots.canvas import Format
    from cxrbench.leaderboard.plots.chosen import Chosen
    from cxrbench.leaderboard.plots.drawings import Drawing


def write_figures(board: Board, rows: Chosen, folder: Path, format: Format) -> list[Path]:
    """Write every figure of the rows into a folder and return the files; those of an earlier call are replaced.

    Raises:
        ConfigError: a row has no stored scores, the rows are too many, or the folder cannot be written to.
        MissingRequirement: matplotlib is not installed.
    """
    require_matplotlib()
    drawings = dict(_drawings(board, rows))
    check_writable(folder, "--to")
    paths = [folder / f"{name}.{format}" for name in drawings]
    for path, drawing in zip(paths, drawings.values(), strict=True):
        content = drawing.encoded(format)
        with atomic_write(path) as file:
            file.write(content)
    return paths


def _drawings(board: Board, rows: Chosen) -> Iterator[tuple[str, Drawing]]:
    """Yield the name of each file and its figure; those of one row end with its place among the rows."""
    yield from curves(board, rows).items()
    yield "intervals", intervals(board, None)
    for place, row in enumerate(chosen_rows(board, rows), start=1):
        yield f"confusion-{place}", confusion(board, row)
        if curves_of(row.entry):
            yield f"loss-{place}", training(board, "loss", row)
            yield f"accuracy-{place}", training(board, "accuracy", row)
