"""The board as CSV and as Markdown, and the title, tables, notes and footer that every page shares."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from cxrbench.evaluation.groups import LEAST_IMAGES, LEAST_OF_A_CLASS
from cxrbench.evaluation.metrics import METRICS, SEARCHABLE
from cxrbench.leaderboard.columns import group_key, in_one_line, main_columns
from cxrbench.leaderboard.conclusion import conclusion
from cxrbench.leaderboard.worst_group import BY_CHANCE, worst_group
from cxrbench.storage.safe_text import as_cell, as_paragraph, escape_markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cxrbench.config.protocol import Protocol
    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.columns import Column
    from cxrbench.leaderboard.rows import Cell, Row
    from cxrbench.leaderboard.store.entry import DatasetFacts

NAMED = 3
"""Recipes that a note names; of more, the number is given. Each row of CSV and JSON has its own warnings."""
SHIFTED = (
    "auc shifted: the mean AUC of the same models over four changes of how the test images were made. The rank tells "
    "which row is best on more images like these; the rank by auc shifted (--sort auc_shifted) tells which depends least on "
    "how images are made. They differ where a row has learnt something about the machine."
)
OVER_GROUPS = (
    "Each group is tested by models that saw none of its images and none of its patients. Read the groups one by one: a "
    "handful of groups does not tell how a recipe does on a further one. The intervals are about other patients of the "
    "same group."
)
OF_GROUPS = (
    "cxrbench show has every group with its intervals, and how far the worst one is from all test images, corrected for the "
    f"number of groups. Groups of fewer than {LEAST_IMAGES} images, or of fewer than {LEAST_OF_A_CLASS} of a class, are listed "
    "there and not measured."
)
PATIENTS_SHARED = "in-distribution, patients shared"
"""The mark of a random split."""
CONTROLS = "Controls, which see no detail of a lung and should do badly"


def tables(board: Board, sort: str = "") -> dict[str, tuple[Column, ...]]:
    """Return the columns of each table that people read, by its caption; the first has none, and the metric that ranks."""
    columns = board.columns
    keys: dict[str, tuple[str, ...]] = {}
    for further in board.protocol.also_at:
        at = (f"{name}@{further:g}" for name in (*METRICS[:-1], "specificity"))
        keys[f"At threshold {further:g}"] = ("recipe", *at)
    for name in board.external:
        caption = f"External test set {name}, scored with the same models and thresholds"
        keys[caption] = ("recipe", *(f"external_{name}_{one}" for one in METRICS))
    if groups := board.protocol.left_out:
        metric = sort if sort in SEARCHABLE else board.protocol.metric
        caption = f"{metric} of each group of {board.protocol.left_out_by}, left out and tested by itself"
        keys[caption] = ("recipe", *(group_key(group, metric) for group in groups))
    main = main_columns(columns.values(), sort or board.protocol.metric)
    return {"": main, **{caption: tuple(columns[key] for key in shown) for caption, shown in keys.items()}}


def apart(rows: Iterable[Row]) -> dict[str, tuple[Row, ...]]:
    """Return the recipes, and then the controls, if there are any, by their caption; that of the recipes is empty."""
    listed = tuple(rows)
    controls = tuple(row for row in listed if row.entry.control)
    return {"": tuple(row for row in listed if not row.entry.control), **({CONTROLS: controls} if controls else {})}


def title(board: Board) -> str:
    """Return one line that says how the results were made."""
    protocol = board.protocol
    split = f"{protocol.split} ({PATIENTS_SHARED})" if protocol.split == "paper" else protocol.split
    folds = "groups" if protocol.left_out else "folds"
    repeats = [f"{protocol.folds} {folds}"] * (protocol.folds > 1) + [f"{protocol.seeds} seeds"] * (protocol.seeds > 1)
    shifted = " and its development shifts" if protocol.select == "robust" else ""
    calibrated = f", scores calibrated by {protocol.calibrate}" if protocol.calibrate != "none" else ""
    attempt = f" (attempt {board.attempt})" if board.attempt > 1 else ""
    return (
        f"{board.name}{attempt}: split {', '.join([split, *repeats])}, {protocol.trials} trials per study, {protocol.metric} "
        f"maximised on validation{shifted}, threshold {protocol.threshold}{calibrated}, seed {protocol.seed}"
    )


def notes(board: Board, rows: Sequence[Row]) -> list[str]:
    """Return what must be read with the table: notice, audit, warnings."""
    notice = [board.protocol.notice] if board.protocol.notice else []
    audits = dict.fromkeys(f"data audit: {row.entry.audit.verdict}" for row in rows if row.entry.audit.verdict)
    warned: dict[str, list[str]] = {}
    for row in rows:
        for warning in row.warnings:
            warned.setdefault(warning, []).append(row.name)
    everyone = sum(row.entry.kind == "recipe" for row in rows)
    shared = [warning for warning, recipes in warned.items() if len(recipes) >= max(everyone, 2)]
    own = [f"{_named(recipes)}: {warning}" for warning, recipes in warned.items() if warning not in shared]
    return [*notice, *audits, *shared, *own]


def reasons(rows: Sequence[Row]) -> list[str]:
    """Return why each entry that is not complete has no result."""
    return [f"{row.name} is {row.entry.status}: {row.entry.reason}" for row in rows if not row.is_complete]


def footer(board: Board) -> list[str]:
    """Return what the numbers mean and which images they were computed from."""
    facts = next((entry.dataset for entry in board.entries if entry.dataset), None)
    positive = facts.class_names.positive if facts else "1"
    return [
        f"Positive class: {positive}. All numbers are from test images, scored once after the selection was frozen. "
        f"{intervals_line(board.protocol)}, and each rank its own. = means not "
        "distinguishable from the first row (5 %, Holm). P(first): share of the resamplings in which a row is first.",
        *([OVER_GROUPS] if board.protocol.left_out else []),
        *([SHIFTED] if board.shifts else []),
        *(f"{line} {OF_GROUPS}" for line in worst_group_line(board)),
        *([_images_line(facts)] if facts else []),
    ]


def worst_group_line(board: Board) -> Iterator[str]:
    """Yield what the worst group is, if rows have groups to compare."""
    if compared := [worst.compared for worst in map(worst_group, board.entries) if worst]:
        yield f"worst group: the lowest AUC among {max(compared)} groups of the test images, and the group; {BY_CHANCE}."


def intervals_line(protocol: Protocol) -> str:
    """Return what the values are, and where their intervals are from."""
    if protocol.left_out and protocol.folds > 1:
        return (
            f"Each value is the plain mean over {protocol.folds} groups of {protocol.left_out_by} and has no interval. Each "
            "value of a group has its 95 % interval from 2,000 resamplings of the group's patients"
        )
    patients = f"the patients of {protocol.folds} folds" if protocol.folds > 1 else "patients"
    return f"Each value has its 95 % interval from 2,000 resamplings of {patients}"


def board_as_markdown(board: Board, sort: str = "") -> str:
    """Return a board as a Markdown page, ranked by `sort` or by the metric that the search maximised."""
    rows = board.rows(sort)
    said = " ".join(conclusion(board)) if sort in {"", board.protocol.metric} else ""
    lines = [
        f"# {escape_markdown(title(board))}",
        "",
        *([as_paragraph(said), ""] if said else []),
        *(f"> {as_paragraph(note)}\n" for note in [*notes(board, rows), *reasons(rows)]),
    ]
    for caption, columns in tables(board, sort).items():
        lines += [f"{as_paragraph(caption)}:", ""] if caption else []
        headings = (escape_markdown(column.heading) for column in columns)
        lines += ["| " + " | ".join(headings) + " |", "|" + "---|" * len(columns)]
        for row in rows:
            lines.append("| " + " | ".join(escape_markdown(_in_one_line(row, column)) for column in columns) + " |")
        lines.append("")
    return "\n".join([*lines, *footer(board), ""])


def records_as_csv(records: Iterable[Mapping[str, Cell]]) -> str:
    """Return records as CSV, numbers in full precision."""
    listed = list(records)
    text = io.StringIO()
    if listed:
        names = list(dict.fromkeys(name for record in listed for name in record))
        writer = csv.DictWriter(text, fieldnames=names, restval="", lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writeheader()
        writer.writerows({name: _csv_cell(value) for name, value in record.items()} for record in listed)
    return text.getvalue()


def _csv_cell(value: Any) -> Any:
    """Return numbers as they are, and text that no spreadsheet takes for a formula."""
    text = "; ".join(value) if isinstance(value, list) else value
    return as_cell(text) if isinstance(text, str) else text


def _named(recipes: Sequence[str]) -> str:
    rest = len(recipes) - NAMED
    return f"{', '.join(recipes[:NAMED])} and {rest} more" if rest > 1 else ", ".join(recipes)


def _in_one_line(row: Row, column: Column) -> str:
    shown = column.cell(row)
    return " + ".join(shown) if column.key == "recipe" else in_one_line(shown)


def _images_line(facts: DatasetFacts) -> str:
    parts = ("train", "validation", "test")
    counts = {
        part: sorted({f"{getattr(fold, f'{part}_negative')} + {getattr(fold, f'{part}_positive')}" for fold in facts.folds})
        for part in parts
    }
    in_each = "; ".join(f"{part} {', '.join(found)}" for part, found in counts.items())
    names = facts.class_names
    return (
        f"Images: {facts.negative} {names.negative} and {facts.positive} {names.positive} from {facts.patients} patients "
        f"({in_each}); {facts.skipped} files skipped."
    )
