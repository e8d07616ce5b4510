from __future__ import annotations

import csv
import io
import re

import pytest

from cxrbench.console import print_board
from cxrbench.leaderboard.board import Board, rows_as_json
from cxrbench.leaderboard.render import as_csv, as_markdown, columns, write_tables

HOSTILE = [
    "a|b",
    "a\\|b",
    "two\nlines",
    "two\r\nlines",
    "return\rhere",
    "<script>alert(1)</script>",
    '"quoted", with commas',
    "[red]markup[/]",
    "\\",
]


@pytest.fixture
def board(make_protocol, make_entry, facts):
    entries = (
        make_entry("vgg16", 0.91234567, warnings=("the classes tell sizes apart",), dataset=facts),
        make_entry("control-border", 0.5, control=True, warnings=("the classes tell sizes apart",)),
        make_entry("resnet50"),
    )
    return Board(protocol=make_protocol(), entries=entries)


def table(markdown):
    """Return the cells of the table of a Markdown page; a line ends where CommonMark says it does."""
    lines = [line for line in re.split(r"\r\n|\r|\n", markdown) if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]] for line in lines]


def test_markdown_has_a_row_per_entry_in_order_of_rank(board):
    heading, rule, *rows = table(as_markdown(board))
    assert heading == list(columns("auc"))
    assert rule == ["---"] * len(heading)
    assert rows == [
        ["1", "vgg16 + none + smote", "0.750", "0.500", "0.250", "0.375", "0.912", "0.438", "5", "complete"],
        [
            "2",
            "control-border + none + smote (control)",
            "0.750",
            "0.500",
            "0.250",
            "0.375",
            "0.500",
            "0.438",
            "5",
            "complete",
        ],
        ["-", "resnet50 + none + smote", "-", "-", "-", "-", "-", "-", "0", "failed"],
    ]


def test_markdown_says_what_it_is_of_and_what_must_be_read_with_it(board):
    text = as_markdown(board)
    assert text.startswith(f"# {board.protocol.name}: split grouped, 5 trials a recipe, auc maximised on validation")
    assert "> resnet50+none+smote is failed: MemoryError: no room\n" in text
    assert text.count("the classes tell sizes apart") == 1
    assert "Images: train 30 normal and 90 pneumonia, validation 10 and 40, test 11 and 41; 2 files skipped." in text
    assert "patients may be on both sides" not in text


def test_csv_has_every_number_in_full(board):
    rows = list(csv.DictReader(io.StringIO(as_csv([board]), newline="")))
    assert [row["recipe"] for row in rows] == ["vgg16+none+smote", "control-border+none+smote", "resnet50+none+smote"]
    assert [row["rank"] for row in rows] == ["1", "2", ""]
    assert [row["auc"] for row in rows] == ["0.91234567", "0.5", ""]
    assert rows[2]["reason"] == "MemoryError: no room"
    assert all(None not in row and None not in row.values() for row in rows)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_comes_back_from_the_csv(make_protocol, make_entry, hostile):
    board = Board(protocol=make_protocol(), entries=(make_entry(hostile, 0.5), make_entry("x", reason=hostile)))
    rows = list(csv.DictReader(io.StringIO(as_csv([board]), newline="")))
    assert [row["backbone"] for row in rows] == [hostile, "x"]
    assert rows[1]["reason"] == hostile
    assert all(None not in row and None not in row.values() for row in rows)


def test_the_rows_of_all_boards_have_one_heading(board):
    rows = list(csv.reader(io.StringIO(as_csv([board, board]), newline="")))
    assert len(rows) == 7
    assert sum(row[:3] == ["protocol", "rank", "recipe"] for row in rows) == 1
    assert as_csv([]) == ""


def test_tables_are_sorted_by_another_metric_if_asked_for(make_protocol, make_entry):
    better = {"accuracy": 0.9, "recall": 0.9, "precision": 0.9, "f1": 0.9, "auc": 0.5}
    board = Board(protocol=make_protocol(), entries=(make_entry("a", 0.9), make_entry("b", 0.5, metrics=better)))
    assert [row[1] for row in table(as_markdown(board))[2:]] == ["a + none + smote", "b + none + smote"]
    assert [row[1] for row in table(as_markdown(board, "recall"))[2:]] == ["b + none + smote", "a + none + smote"]
    assert [row["backbone"] for row in csv.DictReader(io.StringIO(as_csv([board], "recall")))] == ["b", "a"]


def test_an_empty_board_is_a_table_without_rows(make_protocol):
    board = Board(protocol=make_protocol(), entries=())
    assert len(table(as_markdown(board))) == 2
    assert as_csv([board]) == ""


def on_terminal(board, capsys):
    print_board(board)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "render",
    [
        pytest.param(lambda board, capsys: as_markdown(board), id="markdown"),
        pytest.param(lambda board, capsys: as_csv([board]), id="csv"),
        pytest.param(lambda board, capsys: rows_as_json([board]), id="json"),
        pytest.param(on_terminal, id="terminal"),
    ],
)
def test_the_notice_is_in_every_rendering(make_protocol, board, capsys, render):
    noticed = Board(protocol=make_protocol(notice="not for diagnosis: drawn films"), entries=board.entries)
    assert "not for diagnosis: drawn films" in render(noticed, capsys)


@pytest.mark.parametrize("hostile", ["[red]markup[/]", "[/]", ":smile: a|b", "<script>", "\\[bold]"])
def test_hostile_text_is_printed_as_it_is(make_protocol, make_entry, capsys, hostile):
    board = Board(protocol=make_protocol(), entries=(make_entry("x", reason=hostile),))
    out = on_terminal(board, capsys)
    assert f"x+none+smote is failed: {hostile}".split() == out.split("* ")[-1].split()


def test_both_tables_are_written_whole(board, tmp_path):
    write_tables(tmp_path / "phantom", board)
    files = {file.name: file.read_bytes().decode() for file in (tmp_path / "phantom").iterdir()}
    assert files == {"LEADERBOARD.md": as_markdown(board), "leaderboard.csv": as_csv([board])}
