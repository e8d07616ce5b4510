"""The generated pages of the reference are those of the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from cxrbench import errors
from cxrbench.config.option import options_of
from cxrbench.config.settings import Settings
from cxrbench.plugin.contracts import Failure
from docs_reference.columns import FAMILIES, MEANINGS, all_columns
from docs_reference.commands import all_commands, options_of_command
from docs_reference.markdown import docstring
from docs_reference.pages import reference_pages

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


@pytest.fixture(scope="module")
def pages():
    return reference_pages()


@pytest.mark.parametrize(
    "name", ["columns.md", "commands.md", "components.md", "plugin-api.md", "python-api.md", "records.md", "settings.md"]
)
def test_the_page_is_written_from_the_code(pages, name):
    assert (FOLDER / name).read_text(encoding="utf-8") == pages[name], "run: python scripts/write_reference.py"


def test_every_command_and_flag_is_listed(pages):
    sections = {part.partition("\n")[0]: part for part in pages["commands.md"].split("\n## ")}
    assert {"cxrbench run", "cxrbench data convert", "cxrbench plugins check"} <= sections.keys()
    for path, command in all_commands():
        text = pages["settings.md"] + sections[path] if path == "cxrbench run" else sections[path]
        flags = [option.opts[0] for option in options_of_command(command) if option.param_type_name == "option"]
        assert [flag for flag in flags if not re.search(rf"(`|<code>){flag}\b", text)] == []


def test_every_setting_has_its_flag_and_default(pages):
    lines = [line for line in pages["settings.md"].splitlines() if line.startswith(("| `", "| **"))]
    assert len([line for line in lines if re.search("(`|<code>)--", line)]) >= len(options_of(Settings))
    assert "| **`trials`** | `--trials N` | `50` | Finished trials of each study, in total |" in lines
    assert [line for line in lines if line.startswith("| `workers` | `--workers N` | one per core")]


def test_every_column_has_a_meaning_and_no_other():
    assert {key for key, _ in all_columns()} == MEANINGS.keys()
    assert "METRIC@T" in FAMILIES


def test_every_exit_code_and_kind_of_failure_is_listed():
    page = (FOLDER / "exit-codes.md").read_text(encoding="utf-8")
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.CxrbenchError)]
    codes = {str(one.exit_code) for one in classes} | {"0"}
    rows = set(re.findall(r"^\| (\S+) \|", page, re.MULTILINE))
    assert codes <= rows
    assert {f"`{kind}`" for kind in get_args(Failure)} <= rows


def test_every_file_of_a_protocol_is_listed():
    page = (FOLDER / "files.md").read_text(encoding="utf-8")
    (published,) = (path.parent for path in (FOLDER.parents[1] / "leaderboard").glob("*/protocol.json"))
    assert [path.name for path in published.iterdir() if path.name not in page] == []


def test_what_a_docstring_says_of_each_argument_is_found():
    def load(path, *, seed):
        """Load a thing.

        It is ``large``.

        Args:
            path: of the thing,
                in two lines.
            seed: a number.

        Raises:
            OSError: not an argument.
        """

    text, items = docstring(load)
    assert text == "Load a thing.\n\nIt is `large`."
    assert items == {"path": "Of the thing, in two lines", "seed": "A number"}
