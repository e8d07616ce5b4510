"""`cxrbench compare A B`: two rows of a leaderboard side by side."""

from __future__ import annotations

import json

import pytest

FIRST, SECOND = "texture+none+smote", "control-border+none+none"


@pytest.fixture
def compare(small_run, run_here):
    """Compare rows of the small run."""

    def call(*arguments):
        return run_here("compare", *arguments, "--out", small_run[0].folder / "leaderboard")

    return call


@pytest.fixture
def rows(small_run):
    return {row["recipe"]: row for row in json.loads(small_run[1].stdout)}


def test_differences_agree_with_the_table(compare, rows):
    result = compare(FIRST, SECOND, "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert {(row["protocol"], row["a"], row["b"]) for row in found} == {(rows[FIRST]["protocol"], FIRST, SECOND)}
    by_metric = {row["metric"]: row for row in found}
    assert {"accuracy", "recall", "precision", "f1", "auc", "specificity", "brier"} <= by_metric.keys()
    for metric, row in by_metric.items():
        assert row["first"] == pytest.approx(rows[FIRST][metric])
        assert row["second"] == pytest.approx(rows[SECOND][metric])
        assert row["difference"] == pytest.approx(row["first"] - row["second"])
        assert row["low"] <= row["difference"] <= row["high"]
        assert 0 <= row["p"] <= 1
    assert rows[FIRST]["auc"] > rows[SECOND]["auc"] + 0.2
    assert by_metric["auc"]["low"] > 0
    assert by_metric["auc"]["p"] < 0.05


def test_images_of_one_patient_are_not_independent(compare):
    tests = {row["test"] for row in json.loads(compare(FIRST, SECOND, "--json").stdout)}
    assert tests == {"bootstrap of patients", "exchange of patients"}


def test_the_output_is_a_table_and_names_may_hold_blanks(compare, rows):
    result = compare("texture + none + smote", SECOND)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"protocol: {rows[FIRST]['protocol']}\nA: {FIRST}\nB: {SECOND}\n")
    words = " ".join(result.stdout.split())
    assert "metric A B A - B 95 % interval p test" in words
    assert f"{rows[FIRST]['accuracy']:.4f} {rows[SECOND]['accuracy']:.4f}" in words


def test_rows_can_be_named_by_rank(compare, rows):
    of_rank = {row["rank"]: recipe for recipe, row in reversed(rows.items())}
    result = compare("1", SECOND, "--json")
    assert result.returncode == 0, result.stderr
    assert result.stdout == compare(of_rank[1], SECOND, "--json").stdout
    unknown = compare("1", "99")
    assert unknown.returncode == 2
    assert "has rank 99. Known ranks: 1" in unknown.stderr


def test_the_majority_class_can_be_compared(compare):
    by_metric = {row["metric"]: row for row in json.loads(compare("majority-class", FIRST, "--json").stdout)}
    assert by_metric["auc"]["first"] == 0.5
    assert by_metric["auc"]["high"] < 0
    assert by_metric["recall"]["first"] == 1


def test_the_error_for_an_unknown_recipe_lists_the_known_ones(compare):
    result = compare(FIRST, "texture+none+smot")
    assert (result.returncode, result.stdout) == (2, "")
    words = " ".join(result.stderr.split())
    assert words.startswith(
        f"error: {FIRST} and texture+none+smot are not both complete on any leaderboard. Complete recipes: "
    )
    assert SECOND in words
    assert "majority-class" in words


def test_without_a_leaderboard_the_error_says_how_to_make_one(run_here):
    result = run_here("compare", FIRST, SECOND)
    assert (result.returncode, result.stdout) == (2, "")
    assert "no leaderboard here. Make one with: cxrbench run" in " ".join(result.stderr.split())
