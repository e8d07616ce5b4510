"""The board as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from cxrbench.evaluation.metrics import METRICS
from cxrbench.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

    from cxrbench.leaderboard.board import Board


FOOTER = "Positive class: pneumonia. Metrics of the test images, scored after the selection was frozen on validation."


def columns(metric: str) -> tuple[str, ...]:
    """Return the columns that a person reads, in order; the metric that ranks is always among them."""
    metrics = METRICS if metric in METRICS else (*METRICS, metric)
    return ("rank", "recipe", *metrics, "threshold", "trials", "status")


def title(board: Board) -> str:
    """Return one line that says what the table is of."""
    protocol = board.protocol
    return (
        f"{protocol.name}: split {protocol.split}, {protocol.trials} trials a recipe, {protocol.metric} maximised on "
        f"validation, threshold {protocol.threshold}, seed {protocol.seed}"
    )


def notes(board: Board) -> list[str]:
    """Return what must be read with the table: notice, warnings, reasons of entries that are not complete."""
    warnings = dict.fromkeys(warning for entry in board.entries for warning in entry.warnings)
    reasons = [f"{entry.recipe} is {entry.status}: {entry.reason}" for entry in board.entries if entry.status != "complete"]
    notice = [board.protocol.notice] if board.protocol.notice else []
    return [*notice, *warnings, *reasons]


def cell(row: dict[str, Any], column: str) -> str:
    """Return a value as a person reads it."""
    value = row[column]
    if value is None:
        return "-"
    if column == "recipe":
        parts = f"{row['backbone']} + {row['augmentation']} + {row['imbalance']}"
        return f"{parts} (control)" if row["control"] else parts
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def as_markdown(board: Board, sort: str = "") -> str:
    """Return the board as a Markdown page."""
    lines = [f"# {title(board)}", "", *(f"> {_escaped(note)}\n" for note in notes(board))]
    titles = columns(sort or board.protocol.metric)
    lines += ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    lines += ["| " + " | ".join(_escaped(cell(row, column)) for column in titles) + " |" for row in board.rows(sort)]
    return "\n".join([*lines, "", FOOTER, *_image_counts(board), ""])


def _image_counts(board: Board) -> list[str]:
    facts = next((entry.dataset for entry in board.entries if entry.dataset), None)
    if not facts:
        return []
    return [
        f"Images: train {facts.train_normal} normal and {facts.train_pneumonia} pneumonia, "
        f"validation {facts.validation_normal} and {facts.validation_pneumonia}, "
        f"test {facts.test_normal} and {facts.test_pneumonia}; {facts.skipped} files skipped."
    ]


def as_csv(boards: list[Board], sort: str = "") -> str:
    """Return the rows of boards as CSV, numbers in full."""
    text = io.StringIO()
    rows = [row for board in boards for row in board.rows(sort)]
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


def write_tables(folder: Path, board: Board) -> None:
    """Write LEADERBOARD.md and leaderboard.csv."""
    write_text(folder / "LEADERBOARD.md", as_markdown(board))
    write_text(folder / "leaderboard.csv", as_csv([board]))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\r", " ").replace("\n", " ")
