"""`cxrbench leaderboard --format html` and `--open`."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import pytest

from cxrbench.leaderboard.board import read_board
from cxrbench.leaderboard.publish import publish
from cxrbench.leaderboard.report.page import board_as_html


@pytest.fixture
def make_board(make_store):
    """Return a function that writes a board, and its page, into the workspace's leaderboards and returns its folder."""

    def make(trials=5):
        store = make_store(trials)
        publish(store)
        return store.path

    return make


@pytest.fixture
def opened(monkeypatch):
    """Return the addresses that a browser is asked to open."""
    found = []
    monkeypatch.setattr(webbrowser, "open", lambda address: found.append(address) or True)
    return found


def test_the_page_of_one_board_is_printed(make_board, workspace):
    folder = make_board()
    done = workspace.call_here("leaderboard", "--format", "html")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (folder / "index.html").read_text(encoding="utf-8")
    by_recall = workspace.call_here("leaderboard", "--format", "html", "--sort", "recall").stdout
    assert by_recall == board_as_html(read_board(folder), "recall")
    assert "Ranked by recall" in by_recall


def test_the_list_of_several_boards_is_printed(make_board, workspace):
    folders = [make_board(trials) for trials in (5, 6)]
    printed = workspace.call_here("leaderboard", "--format", "html").stdout
    assert printed == (workspace.folder / "leaderboard" / "index.html").read_text(encoding="utf-8")
    assert all(f'href="{folder.name}/index.html"' in printed for folder in folders)


def test_a_page_is_opened_and_written_where_it_is_missing(make_board, workspace, opened):
    page = make_board() / "index.html"
    written = page.read_bytes()
    page.unlink()
    done = workspace.call_here("leaderboard", "--open")
    assert done.returncode == 0, done.stderr
    assert (workspace.folder / Path(done.stdout.strip())).resolve() == page.resolve()
    assert page.read_bytes() == written
    assert opened == [page.resolve().as_uri()]


def test_the_list_is_opened_where_there_are_several(make_board, workspace, opened):
    make_board(5), make_board(6)
    (workspace.folder / "leaderboard" / "index.html").unlink()
    assert workspace.call_here("leaderboard", "--open").returncode == 0
    assert opened == [(workspace.folder / "leaderboard" / "index.html").resolve().as_uri()]


def test_open_is_refused_beside_options_that_it_ignores(make_board, workspace, opened):
    make_board()
    for options in (("--sort", "f1"), ("--format", "csv")):
        done = workspace.call_here("leaderboard", "--open", *options)
        assert done.returncode == 2
        assert "--open opens the page as it was written" in done.stderr
    assert opened == []
