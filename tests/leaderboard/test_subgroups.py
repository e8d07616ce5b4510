"""Groups of the test images: every page has the worst one, `show` and CSV have all, and no stored number is believed."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from cxrbench.cli.board_table import fit, legend
from cxrbench.errors import CxrbenchError
from cxrbench.evaluation.paired_tests import holm
from cxrbench.evaluation.prediction_table import write_predictions
from cxrbench.leaderboard.board import read_board
from cxrbench.leaderboard.conclusion import conclusion
from cxrbench.leaderboard.describe import describe
from cxrbench.leaderboard.group_table import group_tables
from cxrbench.leaderboard.latex import board_as_latex
from cxrbench.leaderboard.render import board_as_markdown, records_as_csv, tables
from cxrbench.leaderboard.report.page import board_as_html
from cxrbench.leaderboard.standings import is_shortcut
from cxrbench.leaderboard.store.entry_files import read_entry, write_entry

NAMES = ["sex=F", "sex=M", "age=5-17", "age=18-39", "age=65+", "age=unknown", "site=Basel", "site=Bern"]
CAVEAT = "the lowest of many groups is low by chance, too"


@pytest.fixture(scope="module")
def protocol(make_protocol):
    return make_protocol(folds=2, seeds=2)


@pytest.fixture(scope="module")
def board(board_of, compete, protocol):
    """Return a board whose first row does badly in Bern, and whose last row is of a version without groups."""
    first = compete("vgg16", 4.0, images=300, protocol=protocol, grouped=True)
    return board_of(first, compete("texture", 0.5, images=300, protocol=protocol))


@pytest.fixture(scope="module")
def entry(board):
    return board.rows()[0].entry


def test_each_group_has_counts_and_metrics_of_its_images(board, entry):
    first = board.rows()[0]
    assert list(first.groups) == list(entry.by_group) == list(board.groups) == NAMES
    heads = board.predictions[first.recipe]
    for name, found in first.groups.items():
        column, _, group = name.partition("=")
        mine = [head.only(head.groups[column] == group) for head in heads]
        assert found.positive == sum(int(one.labels.sum()) for one in mine if one.seed == 0)
        assert found.negative == sum(int((one.labels == 0).sum()) for one in mine if one.seed == 0)
        if name == "age=5-17":
            assert (found.metrics, found.intervals, found.difference) == ({}, {}, None)
            continue
        auc, low, high = first.in_group(name, "auc")
        assert auc == pytest.approx(np.mean([roc_auc_score(one.labels, one.scores) for one in mine]))
        assert found.metrics["f1"] == pytest.approx(np.mean([f1_score(one.labels, one.scores >= 0.5) for one in mine]))
        assert low < auc < high
        assert found.difference.value == pytest.approx(auc - entry.metrics["auc"])
        assert found.difference.low < found.difference.value < found.difference.high


def test_the_worst_group_is_compared_with_all_images(board, entry):
    first, last = board.rows()
    worst = first.worst_group
    assert (worst.name, worst.compared) == ("site=Bern", 6)
    assert worst.difference == entry.by_group["site=Bern"].difference
    assert worst.difference.high < 0
    compared = [one.difference.p for name, one in entry.by_group.items() if one.difference and name != "age=unknown"]
    assert worst.p == max(holm(compared)[-1], worst.difference.p)
    assert last.worst_group is None


def test_csv_has_all_groups_and_the_worst_one(board, entry):
    first, last = csv.DictReader(io.StringIO(records_as_csv(board.records())))
    assert (first["worst_group"], first["groups_compared"]) == ("site=Bern", "6")
    difference = entry.by_group["site=Bern"].difference
    for key, value in {"": difference.value, "_low": difference.low, "_high": difference.high}.items():
        assert float(first[f"auc_worst_group_difference{key}"]) == value
    assert first["auc_worst_group"] == first["group_site=Bern_auc"]
    for name, one in entry.by_group.items():
        assert (int(first[f"group_{name}_negative"]), int(first[f"group_{name}_positive"])) == (one.negative, one.positive)
        assert first[f"group_{name}_specificity_low"] == (str(one.intervals["specificity"][0]) if one.metrics else "")
    assert {last[key] for key in last if key.startswith("group_") or "worst_group" in key} == {""}


def test_every_page_says_the_worst_group_and_that_it_may_be_chance(board, entry):
    auc = f"{entry.by_group['site=Bern'].metrics['auc']:.3f}"
    text = board_as_markdown(board)
    assert "| auc | worst group | P(first) |" in text
    assert f"| {auc} (site=Bern) |" in text
    assert "the lowest AUC among 6 groups of the test images" in text
    assert CAVEAT in text
    assert "fewer than 30 images, or of fewer than 10 of a class, are listed there and not measured" in text
    latex = board_as_latex(board)
    assert r"recipe & auc & worst group & less all images \\" in latex
    assert r"\scriptsize site=Bern" in latex
    assert CAVEAT in latex
    layout = fit(tables(board)[""], board.rows(), 140, "auc")
    assert "worst group" in [column.heading for column, _ in layout.widths]
    assert CAVEAT in legend(layout, board.rows())
    page = board_as_html(board)
    assert f'data-value="{entry.by_group["site=Bern"].metrics["auc"]}">{auc}<small>site=Bern</small>' in page
    assert page.count("<caption>Groups of the test images</caption>") == 1
    assert CAVEAT in page


def test_the_conclusion_says_how_far_the_worst_group_is(board, entry):
    difference = entry.by_group["site=Bern"].difference
    (said,) = [sentence for sentence in conclusion(board) if "worst group" in sentence]
    assert said.startswith("Its worst group of 6 is site=Bern, auc 0.")
    assert f"{difference.value:+.3f} from all test images ({difference.low:+.3f} to {difference.high:+.3f})" in said
    assert said.endswith("which is more than chance (at 5 %, corrected for the number of groups).")


def test_show_lists_every_group(entry, tmp_path):
    (table,) = group_tables(entry)
    assert table.headings[:4] == ("group", "NORMAL", "PNEUMONIA", "auc")
    assert [row[0][0] for row in table.rows] == NAMES
    for column in ("sex", "age", "site"):
        rows = [row for row in table.rows if row[0][0].startswith(column)]
        assert sum(int(row[1][0]) + int(row[2][0]) for row in rows) == 300
    notes = {row[0][0]: row[-1][0] for row in table.rows}
    assert {name: note for name, note in notes.items() if note} == {"age=5-17": "too few", "age=unknown": "not compared"}
    facts = dict(describe(entry, tmp_path / "entries" / "vgg16.json", ())["worst group of the test images"])
    assert facts["lowest auc"] == "site=Bern, of 6 groups"
    assert facts["p"].endswith(f"corrected for all of them (Holm): {CAVEAT}")


def test_boards_without_groups_are_as_before(board_of, compete):
    plain = compete()
    assert "groups" not in plain.entry.model_dump()
    assert "groups" not in json.loads(plain.entry.model_dump_json())
    board = board_of(plain)
    assert not [key for key in board.columns if "group" in key]
    assert "worst group" not in board_as_markdown(board) + board_as_latex(board)
    assert "<h3>Groups</h3>" not in board_as_html(board)


def test_equal_results_in_all_groups_have_no_worst(board_of, compete, protocol):
    made = compete("vgg16", 4.0, images=300, protocol=protocol, grouped=True)
    same = tuple(one.model_copy(update={"metrics": {"auc": 0.5}, "intervals": {}}) for one in made.entry.groups)
    row = board_of(replace(made, entry=made.entry.model_copy(update={"groups": same}))).rows()[0]
    assert row.worst_group is None
    assert row["groups_compared"] is None


def test_a_shortcut_is_one_of_all_images(compete, protocol):
    made = compete("control-border", 2.0, images=300, protocol=protocol, grouped=True, control=True)
    low = made.entry.model_copy(update={"intervals": {"auc": (0.6, 0.99)}})
    assert made.entry.by_group["site=Basel"].intervals["auc"][0] > 0.6
    assert not is_shortcut(low)


def test_groups_that_are_left_out_are_groups_too(board_of, compete, make_protocol):
    protocol = make_protocol(split="left-out:by=site", folds=2, left_out=("Basel", "Bern"))
    made = compete("vgg16", 4.0, images=300, protocol=protocol, grouped=True)
    row = board_of(made).rows()[0]
    assert list(row.groups)[:2] == ["Basel", "Bern"]
    assert not [name for name in row.groups if name.startswith("site=")]
    assert row.groups["Basel"].metrics == row.entry.folds[0].metrics
    of_sex = row.groups["sex=F"]
    assert (of_sex.folds, of_sex.intervals, of_sex.difference) == (2, {}, None)
    assert row["group_sex=F_auc"] == of_sex.metrics["auc"]
    assert [table.title for table in group_tables(row.entry)] == [
        "each group of site, left out and tested by itself",
        "groups of the test images",
    ]
    assert row.worst_group.difference is None


@pytest.fixture
def written(folder, compete, make_protocol):
    """Write a board of one row with groups, and return its entry's file."""
    folder.write_protocol()
    return compete("vgg16", 4.0, images=300, protocol=make_protocol(), grouped=True).write(folder)


def test_a_group_of_some_folds_is_compared_with_these(compete, protocol, tmp_path):
    made = compete("vgg16", 4.0, images=300, protocol=protocol, grouped=True).entry
    groups = [one.model_copy(update={"folds": 1}) if one.group == "Bern" else one for one in made.groups]
    entry = made.model_copy(update={"groups": tuple(groups)})
    (table,) = group_tables(entry)
    assert table.rows[-1][-1][0] == "in 1 of 2 folds"
    facts = describe(entry, tmp_path / "entries" / "vgg16.json", ())["worst group of the test images"]
    assert "less all test images of the folds that it is in" in dict(facts)


def test_stored_groups_are_read_back(written, folder):
    (row,) = read_board(folder.path).rows()
    assert list(row.groups) == NAMES
    write_entry(written, row.entry)
    assert read_entry(written) == row.entry


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one.update(positive=one["positive"] + 1), r"its groups by sex have .* but the test parts have"),
        (lambda one: one.update(group="M"), "it has 2 results of the group sex=M"),
        (lambda one: one["metrics"].update(f1=1.5), "group sex=F: f1 1.5 is not in 0..1"),
        (lambda one: one["intervals"].update(auc=[0.0, 0.1]), "group sex=F: auc .* lies outside its interval"),
        (lambda one: one["difference"].update(low=0.9), "group sex=F: its difference .* cannot be"),
        (lambda one: one["difference"].update(p=2), "group sex=F: its difference .* cannot be"),
        (lambda one: one.update(folds=3), "group sex=F: it is measured in 3 folds, of 1"),
    ],
)
def test_groups_that_cannot_be_are_refused(written, change, words):
    content = json.loads(written.read_text())
    change(content["groups"][0])
    written.write_text(json.dumps(content))
    with pytest.raises(CxrbenchError, match=words):
        read_entry(written)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda groups: groups[0]["metrics"].update(recall=0.95), r"group sex=F: recall is 0\.95, but the stored scores make"),
        (lambda groups: groups.sort(key=lambda one: one["column"]), ""),
        (
            lambda groups: (groups[0].update(group="M"), groups[1].update(group="F")),
            r"group sex=M has .* images, but .* have scores",
        ),
        (lambda groups: [one.update(column="view") for one in groups[:2]], "its stored scores do not tell the view"),
    ],
)
def test_groups_that_are_not_those_of_the_scores_are_refused(written, folder, change, words):
    content = json.loads(written.read_text())
    change(content["groups"])
    for one in content["groups"]:
        one["intervals"] = {}
    written.write_text(json.dumps(content))
    if not words:
        read_board(folder.path)
        return
    with pytest.raises(CxrbenchError, match=words):
        read_board(folder.path)


def test_scores_without_groups_do_not_confirm_groups(written, folder, compete):
    plain = compete("vgg16", 4.0, images=300, grouped=True).scored
    write_predictions(folder.predictions("vgg16+none+none"), [replace(one, groups={}) for one in plain])
    with pytest.raises(CxrbenchError, match="its stored scores do not tell the sex of their images"):
        read_board(folder.path)


def test_names_of_groups_are_text_everywhere(board_of, compete, make_protocol):
    made = compete("vgg16", 4.0, images=300, protocol=make_protocol(), grouped=True)
    hostile = "<script>|*x*\x1b[2J" + "y" * 80
    groups = [one.model_dump() for one in made.entry.groups]
    next(one for one in groups if one["group"] == "Bern")["group"] = hostile
    entry = type(made.entry).model_validate({**made.entry.model_dump(), "groups": groups})
    board = board_of(replace(made, entry=entry))
    assert "\x1b" not in board_as_markdown(board) + board_as_html(board)
    assert "<script>|" not in board_as_html(board)
    assert re.search(r"site=&lt;script>\\\|\\\*x", board_as_markdown(board))
    assert len(tables(board)[""][7].cell(board.rows()[0])[1]) <= 20
