"""A run whose images have ages, sexes, views and sites: every number of a group follows from the stored scores."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

RUN = (
    *("run", "--data", "images.csv", "--image-size", 32, "--split", "grouped", "--folds", 2, "--seeds", 2, "--trials", 1),
    *("--epochs", 1, "--backbone", "texture", "--no-controls", "--augmentation", "none"),
    *("--imbalance", "none", "--imbalance", "class-weights", "--workers", 0, "--offline"),
)
RECIPE = "texture+none+none"
METRICS = {
    "accuracy": accuracy_score,
    "recall": recall_score,
    "precision": lambda labels, calls: precision_score(labels, calls, zero_division=0),
    "f1": f1_score,
    "specificity": lambda labels, calls: recall_score(1 - labels, ~calls),
}
SEXES, VIEWS = ("F", "M", ""), ("PA", "AP")


@pytest.fixture(scope="module")
def ward(make_workspace, tmp_path_factory):
    """Write images of two sites, whose classes are harder to tell in one; every image has another scanner."""
    folder, generator, rows = tmp_path_factory.mktemp("ward"), np.random.default_rng(0), []
    for number in range(560):
        label, site = number // 2 % 2, ("Basel", "Bern")[number // 4 % 2]
        pixels = generator.normal(100 + (30 if site == "Basel" else 3) * label, 25, (36, 36)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        known = {"age": str(number % 90), "sex": SEXES[number % 3], "view": VIEWS[number % 40 == 0], "site": site}
        rows.append({"path": f"{number}.png", "label": label, "patient": f"p{number // 2}", "scanner": number, **known})
    with (folder / "images.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return make_workspace(folder)


@pytest.fixture(scope="module")
def result(ward, tensorflow_ready):
    result = ward.call_here(*RUN, "--json")
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def row(result):
    return next(row for row in json.loads(result.stdout) if row["recipe"] == RECIPE)


def test_metrics_are_those_of_scikit_learn_on_stored_scores(ward, result, row):
    entry = ward.entries()[RECIPE]
    stored = [one for one in ward.rows(entry["predictions"]) if one["set"] == "test" and one["seed"] != "mean"]
    thresholds = {
        (str(fold["fold"]), str(head["seed"])): head["threshold"] for fold in entry["folds"] for head in fold["heads"]
    }
    assert [f"{one['column']}={one['group']}" for one in entry["groups"]] == [
        *("age=0-4", "age=5-17", "age=18-39", "age=40-64", "age=65+"),
        *("sex=F", "sex=M", "sex=unknown", "view=AP", "view=PA", "site=Basel", "site=Bern"),
    ]
    for group in entry["groups"]:
        key = f"group_{group['column']}={group['group']}"
        if group["group"] == "AP":  # 14 images
            assert {row[f"{key}_{name}"] for name in METRICS} == {None}
            continue
        values = {name: [] for name in (*METRICS, "auc")}
        for (fold, seed), threshold in thresholds.items():
            mine = [one for one in stored if (one["fold"], one["seed"], one[group["column"]]) == (fold, seed, group["group"])]
            labels, scores = (np.array([float(one[name]) for one in mine]) for name in ("label", "score"))
            for name, of in METRICS.items():
                values[name].append(of(labels.astype(int), scores >= threshold))
            values["auc"].append(roc_auc_score(labels, scores))
        for name, found in values.items():
            np.testing.assert_allclose(row[f"{key}_{name}"], np.mean(found), err_msg=f"{key} {name}")
            assert 0 <= row[f"{key}_{name}_low"] <= row[f"{key}_{name}"] <= row[f"{key}_{name}_high"] <= 1


def test_the_worst_group_is_on_the_board_and_all_in_show(ward, row):
    aucs = {key: value for key, value in row.items() if key.startswith("group_") and key.endswith("_auc")}
    worst = min((value, key) for key, value in aucs.items() if value is not None and "unknown" not in key)
    assert (row["auc_worst_group"], f"group_{row['worst_group']}_auc") == worst
    assert row["groups_compared"] == 10
    shown = ward.call_here("show", RECIPE).stdout
    assert "groups of the test images" in shown
    assert "too few" in shown
    assert f"lowest auc: {row['worst_group']}, of 10 groups" in shown
    assert row["worst_group"] in ward.call_here("leaderboard").stdout


def test_an_ensemble_has_the_groups_of_its_members(ward, result):
    done = ward.call_here("ensemble", "--json")
    assert done.returncode == 0, done.stderr
    made = next(row for row in json.loads(done.stdout) if row["kind"] == "ensemble")
    entries = ward.entries()
    assert [one["positive"] for one in entries[made["recipe"]]["groups"]] == [
        one["positive"] for one in entries[RECIPE]["groups"]
    ]
    assert made["group_sex=F_auc"] is not None


def test_the_same_command_makes_the_same_groups(ward, result):
    before = ward.entries()[RECIPE]["groups"]
    again = ward.call_here(*RUN, "--out", "again")
    assert again.returncode == 0, again.stderr
    assert ward.entries("again")[RECIPE]["groups"] == before
