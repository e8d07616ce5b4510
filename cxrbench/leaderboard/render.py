"""The board as CSV and as Markdown, and the cells and notes that every table shares."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from cxrbench.evaluation.metrics import METRICS
from cxrbench.storage.files import write_text
from cxrbench.storage.safe_text import as_cell, as_paragraph
from cxrbench.storage.safe_text import as_markdown as markdown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.store.entry import DatasetFacts

    Row = dict[str, Any]

SHARED = "in-distribution, patients shared"
"""What a random cut is marked with."""


def tables(board: Board, sort: str = "") -> list[tuple[str, tuple[str, ...]]]:
    """Return a caption and the columns of each table that a person reads; the metric that ranks is always in the first."""
    metric = sort or board.protocol.metric
    metrics = METRICS if metric in METRICS else (*METRICS, metric)
    at = [
        (f"At threshold {further:g}", tuple(f"{name}@{further:g}" for name in (*METRICS[:-1], "specificity")))
        for further in board.protocol.also_at
    ]
    external = [
        (
            f"External test set {name}, scored with the same heads and thresholds",
            tuple(f"external_{name}_{one}" for one in METRICS),
        )
        for name in board.external
    ]
    return [
        ("", ("rank", "recipe", *metrics, "p_first", "threshold", "trials", "status")),
        *((caption, ("recipe", *shown)) for caption, shown in (*at, *external)),
    ]


def heading(column: str) -> str:
    """Return a column's heading."""
    if column.startswith("external_"):
        return column.rpartition("_")[2]
    return {"p_first": "P(first)"}.get(column, column.partition("@")[0])


def title(board: Board) -> str:
    """Return one line that says what the table is of."""
    protocol = board.protocol
    split = f"{protocol.split} ({SHARED})" if protocol.split == "paper" else protocol.split
    repeats = [f"{protocol.folds} folds"] * (protocol.folds > 1) + [f"{protocol.seeds} seeds"] * (protocol.seeds > 1)
    attempt = f" (attempt {board.attempt})" if board.attempt > 1 else ""
    return (
        f"{board.name}{attempt}: split {', '.join([split, *repeats])}, {protocol.trials} trials a study, {protocol.metric} "
        f"maximised on validation, threshold {protocol.threshold}, seed {protocol.seed}"
    )


def cell(row: Row, column: str) -> tuple[str, str]:
    """Return a value as a person reads it, and what stands below it: its interval, or the rest of a name."""
    value = row[column]
    if column == "recipe":
        return row["backbone"], f"{row['augmentation']} + {row['imbalance']}{' (control)' * row['control']}"
    if value is None:
        return "-", ""
    if column == "status":
        return value, row.get("failure", "") if value == "failed" else ""
    if column == "rank":
        return f"={value}" if row["tied_with_first"] and value > 1 else str(value), _range(row, "rank", "{:d}")
    if isinstance(value, float):
        return f"{value:.3f}", _range(row, column, "{:.3f}")
    return str(value), ""


def notes(board: Board, rows: Sequence[Row]) -> list[str]:
    """Return what must be read with the table: notice, audit, warnings, reasons of entries that are not complete."""
    notice = [board.protocol.notice] if board.protocol.notice else []
    audits = [f"data audit: {verdict}" for verdict in dict.fromkeys(row["audit"] for row in rows if row["audit"])]
    warned: dict[str, list[str]] = {}
    for row in rows:
        for warning in row["warnings"]:
            warned.setdefault(warning, []).append(row["recipe"])
    everyone = sum(row["kind"] == "recipe" for row in rows)
    shared = [warning for warning, recipes in warned.items() if len(recipes) >= max(everyone, 2)]
    own = [f"{', '.join(recipes)}: {warning}" for warning, recipes in warned.items() if warning not in shared]
    reasons = [f"{row['recipe']} is {row['status']}: {row['reason']}" for row in rows if row["status"] != "complete"]
    return [*notice, *audits, *shared, *own, *reasons]


def footer(board: Board) -> list[str]:
    """Return what the numbers mean and which images they are of."""
    interval = (
        f"over {board.protocol.folds} folds (Nadeau and Bengio)"
        if board.protocol.folds > 1
        else "from 2,000 resamplings of patients"
    )
    facts = next((entry.dataset for entry in board.entries if entry.dataset), None)
    return [
        "Positive class: pneumonia. Test images, scored after the selection was frozen on validation; with each value its 95 % "
        f"interval {interval}, with each rank its own, from resampled patients. = is not told apart from the first row "
        "(5 %, Holm). P(first): share of the resamplings in which a row is first.",
        *([_images(facts)] if facts else []),
    ]


def as_markdown(board: Board, rows: Sequence[Row], sort: str = "") -> str:
    """Return the rows of a board as a Markdown page."""
    lines = [f"# {markdown(title(board))}", "", *(f"> {as_paragraph(note)}\n" for note in notes(board, rows))]
    for caption, shown in tables(board, sort):
        lines += [f"{as_paragraph(caption)}:", ""] if caption else []
        lines += ["| " + " | ".join(map(heading, shown)) + " |", "|" + "---|" * len(shown)]
        lines += ["| " + " | ".join(markdown(_in_one_line(row, column)) for column in shown) + " |" for row in rows]
        lines.append("")
    return "\n".join([*lines, *footer(board), ""])


def as_csv(rows: Sequence[Row]) -> str:
    """Return rows as CSV, numbers in full."""
    text = io.StringIO()
    if rows:
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(text, fieldnames=names, restval="", lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writeheader()
        writer.writerows({name: _csv_cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _csv_cell(value: Any) -> Any:
    """Return numbers as they are, and text that no spreadsheet takes for a formula."""
    text = "; ".join(value) if isinstance(value, list) else value
    return as_cell(text) if isinstance(text, str) else text


def write_tables(folder: Path, board: Board) -> None:
    """Write LEADERBOARD.md and leaderboard.csv."""
    rows = board.rows()
    write_text(folder / "LEADERBOARD.md", as_markdown(board, rows))
    write_text(folder / "leaderboard.csv", as_csv(rows))


def _range(row: Row, column: str, form: str) -> str:
    low, high = row.get(f"{column}_low"), row.get(f"{column}_high")
    return "" if low is None or high is None else f"{form.format(low)}\N{EN DASH}{form.format(high)}"


def _in_one_line(row: Row, column: str) -> str:
    value, below = cell(row, column)
    if column == "recipe":
        return f"{value} + {below}"
    return f"{value} ({below})" if below else value


def _images(facts: DatasetFacts) -> str:
    parts = ("train", "validation", "test")
    counts = {
        part: sorted({f"{getattr(fold, f'{part}_normal')} + {getattr(fold, f'{part}_pneumonia')}" for fold in facts.folds})
        for part in parts
    }
    in_each = "; ".join(f"{part} {', '.join(found)}" for part, found in counts.items())
    return (
        f"Images: {facts.normal} normal and {facts.pneumonia} pneumonia of {facts.patients} patients ({in_each}); "
        f"{facts.skipped} files skipped."
    )
