r"""The board as LaTeX: a table for the package booktabs, which fits on a page of a paper."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cxrbench.data.audit.findings import Audit
from cxrbench.leaderboard.columns import DIFFERENCE, WORST_GROUP
from cxrbench.leaderboard.render import SHIFTED, intervals_line, notes, reasons, tables, title, worst_group_line
from cxrbench.storage.latex_text import escape_latex
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.columns import Column
    from cxrbench.leaderboard.rows import Row

UNSAFE = re.compile(r"[^A-Za-z0-9_.:-]+")
LEFT_OUT = frozenset({"p_first", "threshold", "trials", "status", "auc_shifted", WORST_GROUP})
"""Columns that the main table has no room for."""


def board_as_latex(board: Board, sort: str = "") -> str:
    """Return a board as tables for LaTeX, ranked by `sort` or by the metric that the search maximised.

    Each value has its interval below it. The value that ranks is bold in each row that is first or not told apart from it.
    Notes that are too long for a caption are comments.
    """
    metric, rows = sort or board.protocol.metric, board.rows(sort)
    lines = [
        r"% Needs \usepackage{booktabs}.",
        *(f"% {as_line(line)}" for line in (title(board), *notes(board, rows), *reasons(rows))),
    ]
    for number, (caption, columns) in enumerate({**tables(board, sort), **_shift_table(board), **_group_table(board)}.items()):
        shown = [column for column in columns if caption or column.key not in LEFT_OUT or column.key == metric]
        text = f"{caption}. {title(board)}." if caption else _main_caption(board, metric, rows)
        label = UNSAFE.sub("-", f"{board.name}{f'-{number}' * bool(number)}")
        lines += ["", *_table(rows, shown, "" if caption else metric, (text, label))]
    return "\n".join([*lines, ""])


def _shift_table(board: Board) -> dict[str, list[Column]]:
    """Return the columns of a table of the standard shifts, by its caption; none without shifts."""
    names = dict.fromkeys(score.name for result in board.shifts.values() for score in result.standard)
    keys = ("recipe", "auc_shifted", *(f"shift_{name}_auc" for name in names))
    caption = f"{SHIFTED.partition('. ')[0]} ({', '.join(names)})"
    return {caption: [board.columns[key] for key in keys]} if names else {}


def _group_table(board: Board) -> dict[str, list[Column]]:
    """Return the columns of a table of the worst groups, by its caption; none without groups to compare."""
    keys = ("recipe", "auc", WORST_GROUP, DIFFERENCE)
    return {line.rstrip("."): [board.columns[key] for key in keys] for line in worst_group_line(board)}


def _main_caption(board: Board, metric: str, rows: Sequence[Row]) -> str:
    """Return what was done, what the numbers are, what bold means, and what forbids to trust them."""
    facts = next((entry.dataset for entry in board.entries if entry.dataset), None)
    positive = f"Positive class: {facts.class_names.positive}. " if facts else ""
    tied = any(row.standing.tied is not None for row in rows)
    bold = f"{metric} of the first row{' and of each row that is not distinguishable from it (5 %, Holm)' * tied}"
    verdicts = dict.fromkeys(row.entry.audit.verdict for row in rows if row.entry.audit.verdict)
    warned = [f"Data audit: {verdict}." for verdict in verdicts if verdict != Audit().verdict]
    notice = [f"{board.protocol.notice.rstrip('.')}."] if board.protocol.notice else []
    return " ".join(
        [
            f"{title(board)}. {positive}{intervals_line(board.protocol)}, and each rank its own. Bold: {bold}.",
            *warned,
            *notice,
        ]
    )


def _table(rows: Sequence[Row], columns: Sequence[Column], bold: str, names: tuple[str, str]) -> Iterator[str]:
    caption, label = names
    alignment = "".join("l" if column.key == "recipe" else "r" if column.key == "rank" else "c" for column in columns)
    yield from (
        r"\begin{table}",
        r"\centering",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        r"\setlength{\belowcaptionskip}{4pt}",
    )
    yield rf"\caption{{{escape_latex(caption)}}}"
    yield rf"\label{{tab:{label}}}"
    yield rf"\begin{{tabular}}{{{alignment}}}"
    yield r"\toprule"
    yield _line(escape_latex(column.heading) for column in columns)
    yield r"\midrule"
    for place, row in enumerate(rows):
        yield from [r"\addlinespace[2pt]"] * bool(place)
        yield from _two_lines(row, columns, bold)
    yield from (r"\bottomrule", r"\end{tabular}", r"\end{table}")


def _two_lines(row: Row, columns: Sequence[Column], bold: str) -> Iterator[str]:
    """Yield the values of a row, and below them what is smaller, such as intervals."""
    cells = [column.cell(row) for column in columns]
    strong = [column.key == bold and row.is_among_best for column in columns]
    yield _line(
        rf"\textbf{{{escape_latex(text)}}}" if is_bold else escape_latex(text)
        for (text, _), is_bold in zip(cells, strong, strict=True)
    )
    if any(below for _, below in cells):
        yield _line(rf"\scriptsize {escape_latex(below)}" if below else "" for _, below in cells)


def _line(cells: Iterable[str]) -> str:
    return rf"{' & '.join(cells)} \\"
