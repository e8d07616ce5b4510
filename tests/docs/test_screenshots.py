"""The screenshots of the documentation show the published results."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

from docs_screenshots.results import RESULTS, digest_of_results

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "screenshots"
WRITE = "run: python scripts/write_screenshots.py"


def lines(svg):
    """Return the lines of text of an SVG file, with its spaces as spaces."""
    found = {}
    for y, text in re.findall(r'<text [^>]*\by="([\d.]+)"[^>]*>(.*?)</text>', svg):
        found[y] = found.get(y, "") + " " + html.unescape(text).replace("\N{NO-BREAK SPACE}", " ")
    return [" ".join(line.split()) for line in found.values()]


def test_the_terminal_shows_the_published_rows():
    shown = lines((FOLDER / "terminal.svg").read_text(encoding="utf-8"))
    table = (ROOT / "leaderboard").glob("*/LEADERBOARD.md")
    rows = [
        re.findall(r"[^|]+", line) for path in table for line in path.read_text().splitlines() if re.match(r"\| =?\d", line)
    ]
    assert len(rows) == 17
    for rank, recipe, accuracy, *_ in rows:
        first = f"{rank.split()[0]} {recipe.split()[0]} {accuracy.split()[0]}"
        assert [line for line in shown if line.startswith(first)], f"{first} is not shown: {WRITE}"


def test_the_terminal_loads_nothing():
    svg = (FOLDER / "terminal.svg").read_text(encoding="utf-8")
    assert re.findall(r"(?:url\(|href=|src=|@import)\s*[\"']?(?!#|[\"']?#)[^)\"'\s>]+", svg) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the terminal is a Unix one")
def test_the_terminal_is_that_of_the_command():
    from docs_screenshots.terminal import terminal_svg

    assert lines((FOLDER / "terminal.svg").read_text(encoding="utf-8")) == lines(terminal_svg(ROOT)), WRITE


def test_the_page_is_that_of_the_published_results():
    with Image.open(FOLDER / "page.png") as image:
        assert image.text[RESULTS] == digest_of_results(ROOT), WRITE
        assert image.width >= 1000
