"""Tables that are wider than the terminal."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from cxrbench.cli.console import fitting_table
from cxrbench.leaderboard.board import read_board
from cxrbench.leaderboard.render import tables

PUBLISHED = Path(__file__).parents[2] / "leaderboard"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Return the columns and rows of three published recipes, which hold the longest texts."""
    (whole,), folder = PUBLISHED.glob("chest_xray-grouped-*"), tmp_path_factory.mktemp("published")
    for name in ("texture+none+none", "mobilenet-alpha=0.25+gentle+class-weights-295aea", "control-thumbnail+none+none"):
        for file in (f"entries/{name}.json", f"predictions/{name}.npz", "protocol.json"):
            (folder / file).parent.mkdir(exist_ok=True)
            shutil.copy(whole / file, folder / file)
    board = read_board(folder)
    columns = [column for column in tables(board)[""] if column.key != "status"]
    return columns, board.rows()


def printed(published, width, ranked_by="auc"):
    console = Console(width=width, record=True, file=io.StringIO())
    table, left_out = fitting_table(console, *published, ranked_by=ranked_by)
    console.print(table)
    return console.export_text(), left_out


@pytest.mark.parametrize("width", [80, 100, 120, 140])
def test_recipes_and_their_intervals_are_whole_at_every_width(published, width):
    text, _ = printed(published, width)
    assert max(map(len, text.splitlines())) <= width
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    assert "mobilenet:alpha=0.25" in text
    assert "gentle + class-weights" in text
    low, high = published[1][0].entry.intervals["auc"]
    assert f"{low:.3f}\N{EN DASH}{high:.3f}" in text


def test_the_least_important_columns_are_dropped_first_and_named(published):
    assert printed(published, 140)[1] == []
    assert printed(published, 120)[1] == ["trials"]
    assert printed(published, 80)[1] == ["trials", "threshold", "P(first)", "f1", "precision"]


def test_the_ranking_column_is_never_dropped(published):
    text, left_out = printed(published, 80, ranked_by="f1")
    assert "f1" not in left_out
    assert " f1 " in text
