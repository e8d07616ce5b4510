"""Groups that are left out: each is shown by itself, and their mean has no interval."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from cxrbench.errors import CxrbenchError
from cxrbench.evaluation.bootstrap import bootstrap_values, draw_patients
from cxrbench.leaderboard.conclusion import conclusion
from cxrbench.leaderboard.describe import describe
from cxrbench.leaderboard.group_table import group_tables
from cxrbench.leaderboard.render import board_as_markdown, records_as_csv
from cxrbench.leaderboard.standings import is_shortcut
from cxrbench.leaderboard.store.entry_files import read_entry, write_entry

GROUPS = ("Basel", "=1+1", "| *x*")


@pytest.fixture(scope="module")
def protocol(make_protocol):
    return make_protocol(split="left-out:by=site", folds=3, left_out=GROUPS, seeds=2)


@pytest.fixture(scope="module")
def board(board_of, compete, protocol):
    better = compete("vgg16", 3.0, protocol=protocol)
    return board_of(better, compete("control-border", 0.5, control=True, protocol=protocol))


def test_each_group_has_its_value_and_interval_and_the_mean_none(board):
    first = board.rows()[0]
    values = [first[f"group_{group}_auc"] for group in GROUPS]
    np.testing.assert_allclose(first["auc"], np.mean(values))
    assert (first["auc_low"], first["auc_high"], first.entry.intervals) == (None, None, {})
    draws = draw_patients(board.predictions[first.recipe], 0)
    for number, group in enumerate(GROUPS):
        low, high = first[f"group_{group}_auc_low"], first[f"group_{group}_auc_high"]
        assert low < first[f"group_{group}_auc"] < high
        heads = [one for one in board.predictions[first.recipe] if one.fold == number]
        drawn = bootstrap_values(heads, draws, prevalence=0.1, names=["auc"])["auc"]
        np.testing.assert_allclose([low, high], np.quantile(drawn, [0.025, 0.975]), atol=0.05)


def test_ranks_are_from_patients_resampled_within_the_groups(board):
    first = board.rows()[0]
    assert (first.recipe, first.rank, first.standing.rank_low) == ("vgg16+none+none", 1, 1)
    assert first.standing.p_first > 0.9


def test_the_page_has_a_table_of_the_groups_with_safe_names(board):
    text = board_as_markdown(board)
    assert "split left-out:by=site, 3 groups, 2 seeds" in text.splitlines()[0]
    assert "auc of each group of site, left out and tested by itself:" in text
    assert "| recipe | Basel | =1+1 | \\| \\*x\\* |" in text
    assert "Each value is the plain mean over 3 groups of site and has no interval." in text
    assert "Nadeau" not in text
    (row,) = csv.DictReader(io.StringIO(records_as_csv(board.records()[:1])))
    assert row["auc_low"] == ""
    assert float(row["group_=1+1_f1_low"]) < float(row["group_=1+1_f1"])


def test_the_conclusion_names_every_group(board):
    first, groups, *_ = conclusion(board)
    assert "vgg16+none+none, auc 0." in first
    assert first.count("(") == 0
    assert groups.startswith("Its auc for each group of site, when it learnt from the other groups alone: Basel 0.")
    assert groups.count("\N{EN DASH}") == 3


def test_an_entry_is_described_group_by_group(board, tmp_path):
    entry = board.rows()[0].entry
    sections = describe(entry, tmp_path / "entries" / "vgg16.json", ())
    assert all("(" not in text for _, text in sections["test images, mean over 3 groups"])
    assert ("fold 0", "leaves out site Basel") in sections["selected on validation"]
    (table,) = group_tables(entry)
    assert table.headings[:3] == ("site", "NORMAL", "PNEUMONIA")
    assert [row[0][0] for row in table.rows] == list(GROUPS)
    assert sum(int(row[1][0]) + int(row[2][0]) for row in table.rows) == 180
    low, high = entry.folds[0].intervals["auc"]
    assert table.rows[0][3] == (f"{entry.folds[0].metrics['auc']:.3f}", f"{low:.3f}\N{EN DASH}{high:.3f}")


def test_a_shortcut_in_one_group_is_one(compete, protocol):
    entry = compete("control-border", 3.0, control=True, protocol=protocol).entry
    assert is_shortcut(entry)
    assert not is_shortcut(compete("control-border", 0.0, control=True, protocol=protocol).entry)


def test_other_splits_store_nothing_of_groups(compete, protocol):
    assert not {"group", "intervals"} & compete().entry.model_dump()["folds"][0].keys()
    assert compete(protocol=protocol).entry.model_dump()["folds"][1]["group"] == "=1+1"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda fold: fold.update(group="Bern"), "leave out the groups"),
        (lambda fold: fold["intervals"].update(auc=[0.0, 0.1]), "fold 1: auc .* lies outside its interval"),
        (lambda fold: fold["intervals"].update(f1=[0.9, 1.1]), "fold 1: the interval of f1, 0.9 to 1.1, is not in 0..1"),
    ],
)
def test_groups_and_intervals_that_cannot_be_are_refused(compete, protocol, tmp_path, change, words):
    path = tmp_path / "entries" / "texture+none+none.json"
    write_entry(path, compete(protocol=protocol).entry)
    assert read_entry(path).by_group.keys() == set(GROUPS)
    content = json.loads(path.read_text())
    change(content["folds"][1])
    path.write_text(json.dumps(content))
    with pytest.raises(CxrbenchError, match=words):
        read_entry(path)
