"""The few forms of Markdown that a card consists of. Text of any origin is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.storage.safe_text import as_paragraph, escape_markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table; headings and cells are text, not Markdown."""
    first, *others = ([escape_markdown(cell) for cell in row] for row in (headings, *rows))
    return [_row(first), _row(["---"] * len(headings)), *map(_row, others), ""]


def paragraph(text: str) -> list[str]:
    """Return text as a paragraph."""
    return [as_paragraph(text), ""]


def bullets(texts: Iterable[str]) -> list[str]:
    """Return texts as a list."""
    return [*(f"- {as_paragraph(text)}" for text in texts), ""]


def quotations(texts: Iterable[str]) -> list[str]:
    """Return each text as a quotation of its own."""
    return [line for text in texts for line in (f"> {as_paragraph(text)}", "")]


def estimate(value: float | None, interval: tuple[float, float] | None) -> str:
    """Return a value with its 95 % interval, or a hyphen where there is none."""
    if value is None:
        return "-"
    return f"{value:.4f}" if interval is None else f"{value:.4f} ({interval[0]:.4f} to {interval[1]:.4f})"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
