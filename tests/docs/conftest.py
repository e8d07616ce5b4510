"""The documentation: README and every page of docs/."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Document:
    """A page, named by its path from the project's folder."""

    name: str
    text: str

    @property
    def blocks(self):
        """Every fenced block."""
        found = re.finditer(r"^```(\w*)\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)
        return [Block(self.name, self.text[: one.start()].count("\n") + 1, one[1], one[2]) for one in found]


def pages():
    """Return README and every page."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [Document(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")) for file in files]


def pytest_generate_tests(metafunc):
    """Call a test with `document` once per page, and one with `python`, `sh` or `toml` once per block of this language."""
    if "document" in metafunc.fixturenames:
        metafunc.parametrize("document", pages(), ids=lambda page: page.name)
    for language in {"python", "sh", "toml"}.intersection(metafunc.fixturenames):
        blocks = [block for page in pages() for block in page.blocks if block.language == language]
        metafunc.parametrize(language, blocks, ids=str)


@pytest.fixture(scope="session")
def documents():
    """Return README and every page by name."""
    return {page.name: page for page in pages()}
