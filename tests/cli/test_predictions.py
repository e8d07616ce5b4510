"""`cxrbench leaderboard --predictions`: the stored scores of one row as CSV."""

from __future__ import annotations

import csv
import io
import json

import pytest

from cxrbench.evaluation.prediction_table import read_predictions

RECIPE = "texture+none+smote"


@pytest.fixture
def printed(small_run):
    """Return a function that prints the predictions of a row of the small run."""
    workspace, _ = small_run
    return lambda *arguments: workspace.call_here("leaderboard", "--predictions", *arguments)


def test_the_table_of_a_row_is_printed_in_full_precision(small_run, printed):
    workspace, _ = small_run
    done = printed(RECIPE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == '"set","fold","seed","key","patient","label","score"'
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    heads = read_predictions(workspace.protocol_folder() / "predictions" / f"{RECIPE}.npz")
    assert [head.subset for head in heads] == ["validation", "test"]
    assert [float(row["score"]) for row in rows] == [score for head in heads for score in head.scores.tolist()]
    assert [row["key"] for row in rows] == [key for head in heads for key in head.keys.tolist()]
    assert {(row["fold"], row["seed"]) for row in rows} == {("0", "0")}


def test_a_row_is_named_by_recipe_rank_or_file(small_run, printed):
    workspace, result = small_run
    (rank,) = [row["rank"] for row in json.loads(result.stdout) if row["recipe"] == RECIPE]
    expected = printed(RECIPE).stdout
    assert printed(rank).stdout == expected
    assert printed(workspace.protocol_folder() / "entries" / f"{RECIPE}.json", "--format", "csv").stdout == expected


@pytest.mark.parametrize("flags", [("--sort", "auc"), ("--format", "json"), ("--format", "table"), ("--open",)])
def test_flags_of_the_board_are_refused(printed, flags):
    done = printed(RECIPE, *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--predictions prints the scores of one row as CSV: leave --sort, --format and --open out" in done.stderr


def test_an_unknown_row_is_named(printed):
    done = printed("texture+none+smoke")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"did you mean {RECIPE}" in done.stderr


def test_a_row_without_a_result_has_no_predictions(printed, copy_of_small_run):
    path = copy_of_small_run.protocol_folder() / "entries" / f"{RECIPE}.json"
    entry = json.loads(path.read_text())
    path.write_text(json.dumps({**entry, "status": "failed", "reason": "no room", "predictions": ""}))
    done = copy_of_small_run.call_here("leaderboard", "--predictions", RECIPE)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{RECIPE} is failed: it has no predictions. For the reason: cxrbench show" in done.stderr
