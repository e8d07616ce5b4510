"""Tables and docstrings as Markdown that GitHub and the site show alike."""

from __future__ import annotations

import inspect
import re
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):$")
CODE_WITH_PIPE = re.compile(r"`([^`]*\|[^`]*)`")
ITEM = re.compile(r"^    ([A-Za-z_][\w, ]*): (.*)$")


def page(title: str, command: str, *parts: str) -> str:
    """Return a page with a title, a line that says how it is written, and its parts."""
    note = f"<!-- Written by `python scripts/write_reference.py` from {command}. Do not edit. -->"
    return "\n\n".join([f"# {title}", note, *(part.strip("\n") for part in parts if part)]) + "\n"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; without rows an empty text."""
    lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    return "\n".join(["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings), *lines]) if lines else ""


def cell(text: Any) -> str:
    """Return text for a cell: in one line, its pipes escaped."""
    line = " ".join(str(text).split())
    return CODE_WITH_PIPE.sub(lambda match: code(match[1]), line).replace("|", "\\|")


def code(text: Any) -> str:
    """Return text as code in a cell, or nothing for nothing; GitHub and the site agree on no other way to write a pipe."""
    line = " ".join(str(text).split())
    if "|" in line:
        return f"<code>{escape(line, quote=False).replace('|', '&#124;')}</code>"
    return f"`{line}`" if line else ""


def plain(text: str) -> str:
    """Return a docstring's text as Markdown: its double backticks as single ones."""
    return " ".join(text.replace("``", "`").split())


def docstring(thing: Any) -> tuple[str, dict[str, str]]:
    """Return a docstring's text, and what it says of each argument or attribute, by name."""
    text: list[str] = []
    items: dict[str, str] = {}
    section, names = "", []
    for line in (inspect.getdoc(thing) or "").splitlines():
        if match := SECTION.match(line):
            section = match[1]
        elif not section:
            text.append(line)
        elif match := ITEM.match(line):
            names = [name.strip() for name in match[1].split(",")]
            items |= dict.fromkeys(names, match[2]) if section in {"Args", "Attributes"} else {}
        elif line.startswith("        ") and names and section in {"Args", "Attributes"}:
            items |= {name: f"{items[name]} {line.strip()}" for name in names}
    paragraphs = "\n".join(text).partition("\n\nUsage::")[0].strip().split("\n\n")
    return "\n\n".join(map(plain, paragraphs)), {name: sentence(plain(item)) for name, item in items.items()}


def sentence(text: str) -> str:
    """Return text with a capital letter in front and without a full stop at its end."""
    return (text[:1].upper() + text[1:] if not text.startswith("`") else text).rstrip(".")
