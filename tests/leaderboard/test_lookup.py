"""A rank is looked up on the board that was written last, and says so where another one could be meant."""

from __future__ import annotations

import os
import shutil

import pytest

from cxrbench.config.recipe import stem_of
from cxrbench.errors import ConfigError
from cxrbench.leaderboard.board import read_board
from cxrbench.leaderboard.lookup import find_entry


@pytest.fixture
def boards(tmp_path, published):
    """Copy a board twice; the second copy was written later."""
    for number, name in enumerate(("first", "second")):
        shutil.copytree(published, tmp_path / name)
        for path in (tmp_path / name / "entries").iterdir():
            os.utime(path, (number + 1, number + 1))
    return tmp_path


@pytest.fixture(scope="module")
def published(request):
    (folder,) = (request.config.rootpath / "leaderboard").glob("*-grouped-*/protocol.json")
    return folder.parent


def test_a_rank_is_that_of_the_board_written_last(boards):
    said = []
    found = find_entry("1", boards, said.append)
    assert found.parent.parent == boards / "second"
    first = next(row for row in read_board(boards / "second").rows() if row.rank == 1)
    assert found.name == f"{stem_of(first.name)}.json"
    (line,) = said
    assert line.startswith(f"rank 1 of {boards / 'second'}, which was written last; for a row of another board")
    with pytest.raises(ConfigError, match=r"no entry of .*second has rank 99\. Known ranks: 1, 2"):
        find_entry("99", boards)


def test_one_board_needs_no_word(boards):
    shutil.rmtree(boards / "second")
    said = []
    assert find_entry("2", boards, said.append).parent.parent == boards / "first"
    assert said == []


def test_rows_that_share_a_rank_are_named(boards, monkeypatch):
    shutil.rmtree(boards / "second")
    monkeypatch.setattr("cxrbench.leaderboard.rows.Row.rank", property(lambda row: 1), raising=False)
    said = []
    found = find_entry("1", boards, said.append)
    assert found.is_file()
    (line,) = said
    assert "rows share rank 1; this is mobilenet:alpha=0.25+none+none@fine-tuned" in line
