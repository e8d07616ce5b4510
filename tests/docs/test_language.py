"""README, docs, help and messages are in plain English: none of the phrases that were replaced comes back."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cxrbench.cli.app import app
from docs_reference.commands import all_commands

ROOT = Path(__file__).parents[2]
PHRASES = (
    "neither images nor weights are downloaded",
    "whose weights are already here",
    "has not shown that it looks at lungs",
    "has shown it for",
    "are found out",
    "opens it, and no other selection",
    "so that nobody chooses on test images",
    "not even by running twice",
    "to go on with it",
    "leave `--fresh` away",
    "a setting that cannot be meant",
    "why it failed; empty if it did not",
    "what it came to",
    "whoever hears of it",
    "which are no images",
    "what plugins are installed, and whether they are well",
    "who proposes trials",
    "left out, for their weights are not on this machine",
    "for their weights",
)
UNWANTED = re.compile("|".join([*map(re.escape, PHRASES), r"\bfilms?\b", r"(?<!there )\bis no image\b"]))
OF_REAL_FILM = ("exposure.py", "transforms.py", "patients.py")
"""Plugins that speak of film itself, or whose keys begin so: changing them would orphan their cached results."""
SOURCES = sorted(path for folder in ("cxrbench", "plugins") for path in (ROOT / folder).rglob("*.py"))


def found_in(text):
    """Return the phrases that a text has, wherever its lines end."""
    return UNWANTED.findall(" ".join(text.split()).lower())


def texts_in(source):
    """Return every text of a module, its docstrings included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)


def test_the_page_is_in_plain_english(document):
    assert found_in(document.text) == []


@pytest.mark.parametrize("path", [path for path, _ in all_commands()])
def test_the_help_is_in_plain_english(path):
    printed = CliRunner().invoke(app, [*path.split()[1:], "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert printed.exit_code == 0
    assert found_in(re.sub(r"[│╭╮╰╯─]", " ", printed.output)) == []


def test_messages_and_docstrings_are_in_plain_english():
    found = {}
    for path in SOURCES:
        here = {one for text in texts_in(path.read_text(encoding="utf-8")) for one in found_in(text)}
        found |= {path.name: here - {"film"} if path.name in OF_REAL_FILM else here}
    assert {name: phrases for name, phrases in found.items() if phrases} == {}


def test_a_phrase_is_found_across_lines():
    assert found_in("Neither images\n  nor weights are downloaded from Films") == [
        "neither images nor weights are downloaded",
        "films",
    ]
    assert found_in("a filmstrip; there is no image") == []
    assert found_in("This is no image") == ["is no image"]


def test_the_readme_is_short(documents):
    assert len(documents["README.md"].text.split()) <= 700
