"""Foreign text made safe: terminals, Markdown, spreadsheets, JSON, and paths of this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cxrbench.execution.failures import failure_log, failure_reason, with_log
from cxrbench.storage.safe_text import (
    LONGEST_LINE,
    all_without_paths,
    as_cell,
    as_json,
    as_line,
    as_paragraph,
    as_text,
    escape_markdown,
    without_paths,
)

ANY = st.text(st.one_of(st.characters(), st.sampled_from("\x1b\x9b\u202e\u200b\ud800[]()<>|`*_~#=+-@\\!&$:/.\n\r ")))
RENDERER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Zürich ☃ 肺", "Zürich ☃ 肺"),
        ("a\xa0b", "a\xa0b"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b31m\x00\x7f", "\\x9b31m\\x00\\x7f"),
        ("\u202egnp\u2066\u200b\ufeff", "\\u202egnp\\u2066\\u200b\\ufeff"),
        ("\U000e0041\ud800", "\\U000e0041\\ud800"),
        ("two\nlines\r\tx", "two\nlines\\r\\tx"),
    ],
)
def test_unsafe_characters_are_escaped(text, shown):
    assert as_text(text) == shown


@given(ANY)
def test_only_printable_text_remains_and_escaping_is_idempotent(text):
    line = as_line(text)
    assert all(char.isprintable() or char.isspace() for char in line)
    assert "\n" not in line
    assert "\x1b" not in line
    assert as_line(line) == line
    assert as_text(as_text(text)) == as_text(text)


def test_a_line_has_a_maximum_length():
    assert len(as_line("x" * 10**6)) == LONGEST_LINE
    assert as_line("x" * LONGEST_LINE) == "x" * LONGEST_LINE


@given(ANY)
def test_json_round_trips_and_contains_no_unsafe_characters(text):
    written = as_json({text: [text]})
    assert all(char.isprintable() or char in "\n\u3000" or char.isspace() for char in written)
    assert "\x1b" not in written
    assert json.loads(written) == {text: [text]}


@given(ANY)
def test_markdown_shows_text_literally(text):
    page = RENDERER.render(f"{as_paragraph(text) or 'x'}\n\n| a |\n|---|\n| {escape_markdown(text)} |\n")
    tags = {part.partition(">")[0].strip("/") for part in page.split("<")[1:]}
    assert tags <= {"p", "table", "thead", "tbody", "tr", "th", "td"}
    assert page.count("<td>") == 1


@given(ANY)
def test_a_cell_is_never_a_formula(text):
    assert not as_cell(text).lstrip().startswith(("=", "+", "-", "@"))
    assert "\n" not in as_cell(text)
    assert as_cell("=1+1") == "'=1+1"
    assert as_cell("plain") == "plain"


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Make a home, a working folder inside it, and a cache; return their parent."""
    for name in ("home/me/work", "cache"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home/me"))
    monkeypatch.setenv("CXRBENCH_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path / "home/me/work")
    return tmp_path


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ("home/me/work/images/a.png", "./images/a.png"),
        ("home/me/.keras/m.h5", "~/.keras/m.h5"),
        ("home/me", "~"),
        ("cache/images/0", "$CXRBENCH_HOME/images/0"),
    ],
)
def test_well_known_folders_are_replaced_by_names(folders, where, shown):
    assert without_paths(f"cannot read '{folders / where}': gone") == f"cannot read '{shown}': gone"


def test_a_folder_named_like_the_home_and_more_is_not_the_home(folders):
    shown = without_paths(f"{folders / 'home/menace/x'}")
    assert str(folders) not in shown
    assert shown.endswith("/home/menace/x")
    assert "~" not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('File "/srv/data/images/read.py", line 3, in read', 'File "\N{HORIZONTAL ELLIPSIS}/read.py", line 3, in read'),
        ("C:\\Users\\me\\images\\a.png", "\N{HORIZONTAL ELLIPSIS}/a.png"),
        ("fetch https://images.example/a/b.h5 yourself", "fetch https://images.example/a/b.h5 yourself"),
        ("3/4 of 1/2, and/or train/NORMAL/a.png", "3/4 of 1/2, and/or train/NORMAL/a.png"),
        ("~/.keras/models/m.h5", "~/.keras/models/m.h5"),
        ("(/a/b/c.py:3)", "(\N{HORIZONTAL ELLIPSIS}/c.py:3)"),
    ],
)
def test_only_the_last_part_of_other_absolute_paths_stays(text, shown):
    assert without_paths(text) == shown
    assert all_without_paths([shown]) == (shown,)


def test_a_traceback_does_not_show_where_python_is_installed(folders):
    line = f'  File "{sys.prefix}/lib/python3/site-packages/keras/models.py", line 1'
    error = with_log(OSError(f"no such file: {Path.cwd() / 'a.png'}\x1b[2J"), [line, "\x1b[31mred"])
    assert failure_reason(error) == "OSError: no such file: ./a.png\\x1b[2J"
    assert failure_log(error) == ('  File "$PREFIX/lib/python3/site-packages/keras/models.py", line 1', "\\x1b[31mred")


def test_a_deleted_working_folder_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert without_paths("all is well") == "all is well"
