from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest

from cxrbench.cli.console import print_board
from cxrbench.data.audit.findings import Audit, Finding
from cxrbench.leaderboard import columns
from cxrbench.leaderboard.board import Board
from cxrbench.leaderboard.columns import Column
from cxrbench.leaderboard.latex import board_as_latex
from cxrbench.leaderboard.publish import publish
from cxrbench.leaderboard.render import board_as_markdown, records_as_csv
from cxrbench.leaderboard.store.external_result import ExternalResult
from cxrbench.leaderboard.store.folder import ProtocolFolder
from cxrbench.storage.safe_text import as_json

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
SIZES = "the classes tell sizes apart"
TO = "\N{EN DASH}"


@pytest.fixture
def board(make_protocol, make_entry, facts):
    entries = (
        make_entry("vgg16", 0.91234567, warnings=(SIZES,), dataset=facts, intervals={"auc": (0.8, 0.96)}),
        make_entry("control-border", 0.5, control=True, warnings=(SIZES,)),
        make_entry("resnet50"),
    )
    return Board(protocol=make_protocol(), entries=entries)


def markdown(board, sort=""):
    return board_as_markdown(board, sort)


def tables(text):
    """Return the cells of each table of a Markdown page; a line ends where CommonMark says it does."""
    found = [[]]
    for line in re.split(r"\r\n|\r|\n", text):
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def table(text):
    (found,) = tables(text)
    return found


def from_csv(text):
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert all(None not in row and None not in row.values() for row in rows)
    return rows


def test_markdown_has_a_row_per_entry_in_order_of_rank(board):
    heading, rule, *rows = table(markdown(board))
    assert heading == [
        "rank",
        "recipe",
        "accuracy",
        "recall",
        "precision",
        "f1",
        "auc",
        "P(first)",
        "threshold",
        "trials",
        "status",
    ]
    assert rule == ["---"] * len(heading)
    rates = ["0.750", "0.500", "0.250", "0.333"]
    assert rows == [
        ["1", "vgg16 + none + smote", *rates, f"0.912 (0.800{TO}0.960)", "-", "0.438", "5", "complete"],
        ["2", "control-border + none + smote (control)", *rates, "0.500", "-", "0.438", "5", "complete"],
        ["-", "resnet50 + none + smote", "-", "-", "-", "-", "-", "-", "-", "0", "failed"],
    ]


def test_ranks_have_an_interval_and_an_equals_sign_where_tied(board_of, compete):
    rows = table(markdown(board_of(compete("first", 3.0), compete("near", 2.9), compete("far", 0))))[2:]
    assert [row[0] for row in rows] == [f"1 (1{TO}2)", f"=2 (1{TO}2)", f"3 (3{TO}3)"]
    assert all(re.fullmatch(rf"0\.\d{{3}} \(0\.\d{{3}}{TO}\d\.\d{{3}}\)", cell) for row in rows for cell in row[2:7])
    assert sum(float(row[7]) for row in rows) == pytest.approx(1, abs=0.002)


def test_markdown_has_its_title_and_what_must_be_read_with_it(board):
    text = markdown(board)
    assert text.startswith(f"# {board.protocol.name}: split grouped, 5 trials per study, auc maximised on validation")
    assert "> resnet50+none+smote is failed: MemoryError: no room\n" in text
    assert "> data audit: clean\n" in text
    assert text.count(SIZES) == 1
    assert f"> vgg16+none+smote, control-border+none+smote: {SIZES}" in text  # the third row has it not
    assert "Images: 54 NORMAL and 132 PNEUMONIA from 99 patients (train 30 + 90; validation 10 + 40; test 14 + 2); " in text
    assert "patients shared" not in text
    assert "from 2,000 resamplings of patients" in text


def test_a_warning_of_all_rows_names_none_of_them(make_protocol, make_entry):
    entries = [make_entry(name, 0.75, warnings=(SIZES,)) for name in ("a", "b")]
    assert f"> {SIZES}\n" in markdown(Board(protocol=make_protocol(), entries=tuple(entries)))


def test_the_audits_verdict_and_a_random_cut_are_told(make_protocol, make_entry):
    found = Audit(findings=(Finding(check="shared-patients", severity="warning", count=1200, message="shared"),))
    protocol = make_protocol(split="paper", folds=5, seeds=3)
    text = markdown(Board(protocol=protocol, entries=(make_entry("a", 0.75, audit=found, protocol=protocol),)))
    assert "split paper (in-distribution, patients shared), 5 folds, 3 seeds, 5 trials per study" in text
    assert "> data audit: 1 finding: 1,200 shared-patients (warning)\n" in text
    assert "from 2,000 resamplings of the patients of 5 folds" in text


def test_further_thresholds_and_external_sets_are_own_tables(board_of, compete, make_protocol):
    competitor = compete("a", protocol=make_protocol(also_at=(0.25, 0.7)))
    result = ExternalResult(
        name="ward_2",
        dataset="other",
        fingerprint="e",
        negative=3,
        positive=5,
        recipe=competitor.entry.recipe,
        selections=competitor.entry.selections,
        metrics={"auc": 0.625, "recall": 0.5},
        intervals={"auc": (0.5, 0.75)},
    )
    board = replace(board_of(competitor, compete("b", protocol=competitor.entry.protocol)), external={})
    board = replace(board, external={"ward_2": {competitor.entry.recipe: result}})
    text = markdown(board)
    _, first, second, external = tables(text)
    assert "At threshold 0.25:\n" in text
    assert first[0] == second[0] == ["recipe", "accuracy", "recall", "precision", "f1", "specificity"]
    recall = {row["backbone"]: f"{row['recall@0.7']:.3f}" for row in board.records()}
    assert {row[0].split()[0]: row[2].split()[0] for row in second[2:]} == recall
    assert "External test set ward_2, scored with the same models and thresholds:\n" in text
    assert external[0] == ["recipe", "accuracy", "recall", "precision", "f1", "auc"]
    assert {row[0].split()[0]: row[1:] for row in external[2:]} == {
        "a": ["-", "0.500", "-", "-", f"0.625 (0.500{TO}0.750)"],
        "b": ["-"] * 5,
    }


def test_csv_has_every_number_in_full(board):
    rows = from_csv(records_as_csv(board.records()))
    assert [row["recipe"] for row in rows] == ["vgg16+none+smote", "control-border+none+smote", "resnet50+none+smote"]
    assert [row["rank"] for row in rows] == ["1", "2", ""]
    assert [row["auc"] for row in rows] == ["0.91234567", "0.5", ""]
    assert [row["auc_low"] for row in rows] == ["0.8", "", ""]
    assert rows[0]["warnings"] == SIZES
    assert rows[2]["reason"] == "MemoryError: no room"


def hostile_entries(make_entry, hostile):
    """Return a complete and a failed entry with hostile texts, put in behind the back of the schema."""
    named = make_entry("a", 0.5).model_copy(update={"backbone": hostile, "warnings": (hostile,)})
    return named, make_entry("x").model_copy(update={"reason": hostile})


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_comes_back_from_the_csv_in_one_line(make_protocol, make_entry, hostile):
    entries = hostile_entries(make_entry, hostile)
    rows = from_csv(records_as_csv(Board(protocol=make_protocol(), entries=entries).records()))
    told = hostile.replace("\n", "\\n").replace("\r", "\\r")
    assert [row["backbone"] for row in rows] == [told, "x"]
    assert rows[0]["warnings"] == told
    assert rows[1]["reason"] == told


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_stays_in_its_markdown_cell_and_line(make_protocol, make_entry, hostile):
    entries = hostile_entries(make_entry, hostile)
    text = markdown(Board(protocol=make_protocol(notice=hostile), entries=entries))
    found = table(text)
    assert {len(row) for row in found} == {11}
    assert len(found) == 4
    assert "<script" not in text
    quoted = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip() and not line.startswith(("|", "#", "> "))]
    assert [line.partition(":")[0] for line in quoted] == ["First on 16 test images", "Positive class", "Images"]


def test_the_rows_of_all_boards_have_one_heading(board, make_protocol, make_entry):
    other = make_protocol(also_at=(0.7,))
    more = Board(protocol=other, entries=(make_entry("x", 0.5, protocol=other),))
    rows = from_csv(records_as_csv([*board.records(), *more.records()]))
    assert len(rows) == 4
    assert list(rows[0])[:3] == ["protocol", "rank", "rank_low"]
    assert [row["recall@0.7"] for row in rows] == [""] * 4
    assert len({row["protocol"] for row in rows}) == 2
    assert records_as_csv([]) == ""


def test_the_rows_of_all_boards_are_one_json_list(board, make_protocol, make_entry):
    more = Board(protocol=make_protocol(seed=1), entries=(make_entry("a", 0.75, warnings=("ü",)),))
    text = as_json([*board.records(), *more.records()])
    assert [row["backbone"] for row in json.loads(text)] == ["vgg16", "control-border", "resnet50", "a"]
    assert "ü" in text
    assert json.loads(as_json([])) == []


@pytest.mark.parametrize(("sort", "first"), [("", "a"), ("recall", "b"), ("specificity", "b"), ("brier", "b")])
def test_tables_are_sorted_by_another_metric_and_show_it(make_protocol, make_entry, sort, first):
    better = {"accuracy": 0.9, "recall": 0.9, "precision": 0.9, "f1": 0.9, "auc": 0.5, "specificity": 0.9, "brier": 0.1}
    worse = {"accuracy": 0.8, "recall": 0.8, "precision": 0.8, "f1": 0.8, "auc": 0.9, "specificity": 0.8, "brier": 0.2}
    entries = tuple(make_entry(name, 0.5, metrics=metrics) for name, metrics in (("a", worse), ("b", better)))
    board = Board(protocol=make_protocol(), entries=entries)
    heading, _, *rows = table(markdown(board, sort))
    assert rows[0][1] == f"{first} + none + smote"
    assert (sort or "auc") in heading
    assert from_csv(records_as_csv(board.records(sort)))[0]["backbone"] == first


def test_an_empty_board_is_a_table_without_rows(make_protocol):
    board = Board(protocol=make_protocol(), entries=())
    assert len(table(markdown(board))) == 2
    assert records_as_csv(board.records()) == ""


def on_terminal(board, capsys):
    print_board(board)
    return capsys.readouterr().out


RENDERERS = [
    pytest.param(lambda board, capsys: markdown(board), id="markdown"),
    pytest.param(lambda board, capsys: records_as_csv(board.records()), id="csv"),
    pytest.param(lambda board, capsys: board_as_latex(board), id="latex"),
    pytest.param(lambda board, capsys: board._repr_html_(), id="notebook"),
    pytest.param(lambda board, capsys: as_json(board.records()), id="json"),
    pytest.param(on_terminal, id="terminal"),
]


@pytest.mark.parametrize("render", RENDERERS)
def test_notice_audit_and_warnings_are_in_every_rendering(make_protocol, make_entry, capsys, render):
    protocol = make_protocol(notice="not for diagnosis: drawn images")
    audit = Audit(findings=(Finding(check="near-duplicates", severity="leak", count=2, message="2 images"),))
    entry = make_entry("a", 0.75, protocol=protocol, audit=audit, warnings=("2 images on both sides",))
    text = " ".join(render(Board(protocol=protocol, entries=(entry,)), capsys).split())
    assert "not for diagnosis: drawn images" in text
    assert "1 finding: 2 near-duplicates (leak)" in text
    assert "2 images on both sides" in text


@pytest.mark.parametrize("hostile", ["[red]markup[/]", "[/]", ":smile: a|b", "<script>", "\\[bold]"])
def test_hostile_text_is_printed_as_it_is(make_protocol, make_entry, capsys, hostile):
    board = Board(protocol=make_protocol(), entries=hostile_entries(make_entry, hostile))
    out = on_terminal(board, capsys)
    assert f"* x+none+smote is failed: {hostile}" in re.sub(r" +\n", "\n", out)
    assert any(line.split()[1:2] == hostile.split()[:1] for line in out.splitlines())


def test_a_person_sees_intervals_under_the_values(board_of, compete, capsys):
    lines = on_terminal(board_of(compete("first", 3.0), compete("near", 2.9)), capsys).splitlines()
    (row,) = [number for number, line in enumerate(lines) if re.match(r" +=2 +near ", line)]
    assert re.match(rf" +1{TO}2 +none \+ none +0\.\d{{3}}{TO}\d\.\d{{3}} ", lines[row + 1])
    assert "status" not in lines[2]  # all are complete


def test_both_tables_are_written_whole(board, tmp_path):
    store = ProtocolFolder(out=tmp_path, protocol=board.protocol)
    store.write_protocol()
    for entry in board.entries:
        store.add(entry.recipe, entry.model_copy(update={"status": "failed"}))
    published = publish(store)
    files = {file.name: file.read_bytes().decode() for file in store.path.iterdir() if file.suffix in {".md", ".csv"}}
    assert files == {"LEADERBOARD.md": markdown(published), "leaderboard.csv": records_as_csv(published.records())}


def test_a_column_is_defined_once_for_every_rendering(board, monkeypatch, capsys):
    column = Column(key="images", value=lambda row: row.entry.dataset and 186, heading="images", place=24)
    monkeypatch.setattr(columns, "NOTES", (*columns.NOTES, column))
    assert [row["images"] for row in board.records()] == [186, 186, None]
    assert from_csv(records_as_csv(board.records()))[0]["images"] == "186"
    heading, _, first, *_ = table(markdown(board))
    assert (heading[-1], first[-1]) == ("images", "186")
    assert " images" in on_terminal(board, capsys)
