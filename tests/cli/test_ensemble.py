from __future__ import annotations

import json
import shutil

import pytest


@pytest.fixture
def small_board(small_run, workspace):
    """Copy the small run to where `run_here` runs commands."""
    shutil.copytree(small_run[0].folder, workspace.folder, dirs_exist_ok=True)


@pytest.mark.usefixtures("small_board")
def test_an_ensemble_is_on_the_board_and_survives_the_next_run(run_here, workspace, small_flags):
    done = run_here("ensemble", "--json")
    assert done.returncode == 0, done.stderr
    (row,) = [row for row in json.loads(done.stdout) if row["kind"] == "ensemble"]
    assert row["recipe"].startswith("ensemble-greedy-")
    assert row["rank_low"] <= row["rank"] <= row["rank_high"]
    entry = workspace.entries()[row["recipe"]]
    recipes = {name for name, one in workspace.entries().items() if one["kind"] == "recipe" and not one["control"]}
    assert set(entry["folds"][0]["heads"][0]["members"]) <= recipes
    assert {line["set"] for line in workspace.rows(entry["predictions"])} == {"validation", "test"}
    again = run_here("run", *small_flags, "--trials", 3, "--workers", 0, "--json")
    assert again.returncode == 0, again.stderr
    assert row in json.loads(again.stdout)


@pytest.mark.usefixtures("small_board")
def test_the_table_names_the_members_of_a_soft_vote(run_here):
    names = ["texture + none + none", "random-convnet+none+smote"]
    done = run_here("ensemble", "--method", "soft-vote", *names)
    assert done.returncode == 0, done.stderr
    assert "mean of the scores of 2 recipes: 0.50 random-convnet+none+smote, 0.50 texture+none+none" in done.stdout


@pytest.mark.usefixtures("small_board")
def test_invalid_ensembles_are_errors_with_a_reason(run_here):
    for arguments, reason in {
        ("control-border+none+none", "texture+none+none"): "it is a control",
        ("majority-class", "texture+none+none"): "it is a control",
        ("textur+none+none", "texture+none+none"): "did you mean texture+none+none",
        ("--protocol", "elsewhere"): "unknown protocol 'elsewhere'",
        ("--out", "nowhere"): "no leaderboard here",
        ("--size", "0"): "greater than or equal to 1",
    }.items():
        done = run_here("ensemble", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert reason in done.stderr.replace("\n", " ")
