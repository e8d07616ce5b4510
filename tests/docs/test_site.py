"""The documentation site: built without a warning, no link that leads nowhere, no request to anywhere else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

pytestmark = pytest.mark.site
ROOT = Path(__file__).parents[2]
LOADED = {("img", "src"), ("script", "src"), ("source", "src"), ("iframe", "src"), ("object", "data"), ("link", "href")}
"""What a browser loads by itself; a link to another page is not among it."""
FIVE_PAGES = ("", "tutorials/first-board/", "reference/commands/", "explanation/published-results/", "how-to/figures/")
NOT_LOADED = {"canonical", "prev", "next", "author"}
"""Kinds of `link` that name an address and load nothing."""


class References(HTMLParser):
    """The identifiers of a page, its links, and what it loads."""

    def __init__(self):
        super().__init__()
        self.ids, self.links, self.loads = set(), set(), set()

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids |= {found["id"]} if found.get("id") else set()
        if tag == "a" and found.get("href"):
            self.links.add(found["href"])
        for name, value in attributes:
            if (tag, name) in LOADED and value and found.get("rel") not in NOT_LOADED:
                self.loads.add(value)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the site in a folder of its own; return the folder and what the program printed."""
    pytest.importorskip("zensical", reason="needs pip install 'cxrbench[docs]'")
    project = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "zensical.toml", project)
    shutil.copytree(ROOT / "docs", project / "docs")
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, encoding="utf-8", env=environment, check=False)
    return project / "site", done


@pytest.fixture(scope="module")
def pages(built):
    """Return the references of every page by its path."""
    folder, _ = built
    found = {}
    for file in sorted(folder.rglob("*.html")):
        found[file] = References()
        found[file].feed(file.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def address(built, serve_folder):
    """Serve the site; return its address."""
    return serve_folder(built[0])


def test_it_is_built_without_a_warning(built):
    folder, done = built
    assert done.returncode == 0, done.stderr[-2000:]
    assert "warning" not in (done.stdout + done.stderr).lower()
    assert (folder / "index.html").is_file()


def test_every_page_of_the_documentation_is_there(built, documents):
    folder, _ = built
    names = [name.removeprefix("docs/").removesuffix(".md") for name in documents if name.startswith("docs/")]
    missing = [name for name in names if name != "index" and not (folder / name / "index.html").is_file()]
    assert missing == []


def test_every_internal_link_leads_somewhere(built, pages):
    folder, _ = built
    problems = []
    for file, references in pages.items():
        if file.name != "404.html":  # its links are those of the address that does not exist
            inside = (link for link in references.links if not re.match(r"[a-z]+:", link))
            problems += [(str(file.relative_to(folder)), link) for link in inside if is_dead(file, link, pages)]
    assert problems == []


def is_dead(file, link, pages):
    path, _, anchor = unquote(link).partition("#")
    target = (file.parent / path).resolve() if path else file
    target = target / "index.html" if target.is_dir() else target
    if target not in pages:
        return not target.is_file()
    return bool(anchor) and not anchor.startswith("__") and anchor not in pages[target].ids


def test_no_page_loads_anything_from_elsewhere(built, pages):
    folder, _ = built
    loaded = {value for references in pages.values() for value in references.loads}
    assert loaded
    assert [value for value in loaded if re.match(r"(https?:)?//", value)] == []
    styles = "".join(file.read_text(encoding="utf-8") for file in folder.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\"']+", styles) == []


@pytest.mark.browser
@pytest.mark.parametrize("page", FIVE_PAGES)
def test_a_browser_requests_nothing_elsewhere(address, chromium, page):
    chromium.get_log("performance")
    chromium.get(address + page)
    sent = [json.loads(one["message"])["message"] for one in chromium.get_log("performance")]
    requested = {one["params"]["request"]["url"] for one in sent if one["method"] == "Network.requestWillBeSent"}
    assert address + page in requested
    assert [url for url in requested if not url.startswith((address, "data:"))] == []
    assert [one for one in chromium.get_log("browser") if one["level"] == "SEVERE"] == []


@pytest.mark.browser
@pytest.mark.parametrize("page", FIVE_PAGES)
def test_axe_finds_nothing_serious(address, chromium, axe, page):
    chromium.get(address + page)
    chromium.execute_script(axe)
    found = chromium.execute_async_script("axe.run().then(arguments[0])")
    serious = [one for one in found["violations"] if one["impact"] in {"serious", "critical"}]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in serious] == []
