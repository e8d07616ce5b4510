from __future__ import annotations

import csv
import json


def test_an_ensemble_is_on_the_board_and_survives_the_next_run(copy_of_small_run, small_flags):
    workspace = copy_of_small_run
    done = workspace.call("ensemble", "--json")
    assert done.returncode == 0, done.stderr
    (row,) = [row for row in json.loads(done.stdout) if row["kind"] == "ensemble"]
    assert row["recipe"].startswith("ensemble-greedy-")
    assert row["rank_low"] <= row["rank"] <= row["rank_high"]
    entry = workspace.entries()[row["recipe"]]
    recipes = {name for name, one in workspace.entries().items() if one["kind"] == "recipe" and not one["control"]}
    assert set(entry["folds"][0]["heads"][0]["members"]) <= recipes
    with (workspace.protocol_folder() / entry["predictions"]).open() as file:
        assert {line["set"] for line in csv.DictReader(file)} == {"validation", "test"}
    again = workspace.call("run", *small_flags, "--trials", 3, "--workers", 0, "--json")
    assert again.returncode == 0, again.stderr
    assert row in json.loads(again.stdout)


def test_the_table_names_the_members_of_a_soft_vote(copy_of_small_run):
    names = ["texture + none + none", "random-convnet+none+smote"]
    done = copy_of_small_run.call("ensemble", "--method", "soft-vote", *names)
    assert done.returncode == 0, done.stderr
    assert "mean of the scores of 2 recipes: 0.50 random-convnet+none+smote, 0.50 texture+none+none" in done.stdout


def test_invalid_ensembles_are_errors_with_a_reason(copy_of_small_run):
    for arguments, reason in {
        ("control-border+none+none", "texture+none+none"): "it is a control",
        ("majority-class", "texture+none+none"): "it is a control",
        ("textur+none+none", "texture+none+none"): "did you mean texture+none+none",
        ("--protocol", "elsewhere"): "unknown protocol 'elsewhere'",
        ("--out", "nowhere"): "no leaderboard here",
        ("--size", "0"): "greater than or equal to 1",
    }.items():
        done = copy_of_small_run.call("ensemble", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert reason in done.stderr.replace("\n", " ")
