"""Every relative link of README and docs/ leads somewhere, and every page can be reached."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]


def tokens(text):
    for token in MarkdownIt().enable("table").parse(text):
        yield token
        yield from token.children or ()


def links(text):
    """Return where links and images lead, in order."""
    return [value for token in tokens(text) for value in (token.attrs.get("href"), token.attrs.get("src")) if value]


@cache
def anchors(text):
    """Return the anchors of the headings, as GitHub and the site make them."""
    found = []
    parsed = MarkdownIt().enable("table").parse(text)
    for opening, heading in pairwise(parsed):
        if opening.type == "heading_open":
            words = "".join(child.content for child in heading.children)
            found.append(re.sub(r"[^\w\- ]", "", words).strip().lower().replace(" ", "-"))
    return found


def test_every_relative_link_leads_somewhere(document):
    here = (ROOT / document.name).parent
    for link in links(document.text):
        if re.match(r"[a-z]+:", link):
            assert link.startswith("https://"), link
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (here / path).resolve() if path else ROOT / document.name
        assert target.exists(), f"{link} does not exist"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{link}: no such heading"


@pytest.mark.parametrize("name", ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_the_files_beside_the_readme_lead_somewhere(name):
    for link in links((ROOT / name).read_text(encoding="utf-8")):
        path, _, anchor = unquote(link).partition("#")
        if path and not re.match(r"[a-z]+:", link):
            assert (ROOT / path).exists(), link
            assert not anchor or anchor in anchors((ROOT / path).read_text(encoding="utf-8")), link


def test_a_page_of_the_site_leads_nowhere_outside_of_it(document):
    if document.name.startswith("docs/"):
        outside = [link for link in links(document.text) if not re.match(r"https:|#", link)]
        for link in outside:
            target = ((ROOT / document.name).parent / link.partition("#")[0]).resolve()
            assert target.is_relative_to(ROOT / "docs"), link


def test_headings_have_anchors_of_their_own(document):
    found = anchors(document.text)
    assert len(found) == len(set(found)), sorted(one for one in found if found.count(one) > 1)


def in_navigation(entries):
    for entry in entries:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from [value] if isinstance(value, str) else in_navigation(value)


def test_the_navigation_has_every_page_once(documents):
    settings = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    listed = list(in_navigation(settings["project"]["nav"]))
    assert sorted(f"docs/{page}" for page in listed) == sorted(documents.keys() - {"README.md"})


def test_the_first_page_leads_to_every_other(documents):
    found = {(ROOT / "docs" / link.partition("#")[0]).resolve() for link in links(documents["docs/index.md"].text)}
    missing = [name for name in documents if name.startswith("docs/") and (ROOT / name).resolve() not in found]
    assert missing == ["docs/index.md"]


@pytest.mark.parametrize(
    ("text", "expected"), [("# A `b` (c): d_e\n", ["a-b-c-d_e"]), ("## Start again: `--fresh`\n", ["start-again---fresh"])]
)
def test_anchors_are_those_of_github(text, expected):
    assert anchors(text) == expected
