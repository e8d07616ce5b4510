"""`cxrbench evaluate`: a model on labelled images, at its frozen threshold."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

RUN = ("run", "--data", "images", "--image-size", 32, "--augmentation", "none", "--imbalance", "none", "--no-controls")
QUICK = ("--trials", 2, "--epochs", 2, "--workers", 0, "--offline", "--backbone", "control-intensity")
RECIPE = "control-intensity+none+none"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, make_workspace, draw_images, tensorflow_ready):
    """Run a recipe with an external test set once; the classes overlap."""
    workspace = make_workspace(tmp_path_factory.mktemp("evaluate"))
    draw_images(workspace.folder / "images", 200, 220, difference=3)
    draw_images(workspace.folder / "ward", 30, 40, seed=1, difference=3)
    result = workspace.call_here(*RUN, *QUICK, "--external", "ward=ward")
    assert result.returncode == 0, result.stderr
    return workspace


@pytest.fixture
def evaluate(trained):
    return lambda *arguments: trained.call_here("evaluate", RECIPE, *arguments, "--offline")


def external_columns(workspace):
    text = (workspace.protocol_folder() / "leaderboard.csv").read_text()
    row = next(row for row in csv.DictReader(io.StringIO(text)) if row["recipe"] == RECIPE)
    start = "external_ward_"
    return {name.removeprefix(start): float(value) for name, value in row.items() if name.startswith(start)}


def test_metrics_equal_those_of_the_external_test_set(trained, evaluate):
    result = evaluate("--data", "ward", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    figures, columns = found["all"], external_columns(trained)
    flat = dict(figures["metrics"])
    for name, (low, high) in figures["intervals"].items():
        flat |= {f"{name}_low": low, f"{name}_high": high}
    assert flat == pytest.approx(columns, abs=1e-6)
    assert 0 < flat["auc"] < 1
    assert (figures["negative"], figures["positive"], figures["patients"]) == (30, 40, 70)
    assert (found["unseen"], found["learnt_from"], found["unread"]) == (None, {}, [])


def test_metrics_are_also_given_without_the_images_learnt_from(trained, evaluate):
    found = json.loads(evaluate("--data", "images", "--json").stdout)
    entry = trained.entries()[RECIPE]
    parts = entry["dataset"]["folds"][0]
    counts = {part: parts[f"{part}_negative"] + parts[f"{part}_positive"] for part in ("train", "validation", "test")}
    assert found["learnt_from"] == counts
    assert found["unseen"]["metrics"] == pytest.approx(entry["metrics"], abs=1e-6)
    assert {name: list(ends) for name, ends in entry["intervals"].items()} == {
        name: pytest.approx(ends, abs=1e-6) for name, ends in found["unseen"]["intervals"].items()
    }


def test_the_table_shows_both_and_says_what_must_be_known(evaluate):
    result = evaluate("--data", "images")
    assert result.returncode == 0, result.stderr
    assert "not learnt from" in result.stdout
    assert "images are training images of this model" in result.stdout
    assert "ppv and npv are at a prevalence of 0.1" in result.stdout


def test_files_that_cannot_be_read_are_named(trained, evaluate, draw_images):
    folder = draw_images(trained.folder / "torn", 5, 5, seed=2)
    (folder / "NORMAL" / "000.jpeg").write_bytes(b"")
    result = evaluate("--data", "torn")
    assert result.returncode == 1
    assert "NORMAL/000.jpeg is empty" in result.stdout


def test_images_of_one_class_cannot_be_evaluated(trained, evaluate):
    listing = trained.folder / "one.csv"
    listing.write_text("path,label\nward/NORMAL/000.jpeg,0\nward/NORMAL/001.jpeg,0\n")
    result = evaluate("--data", "one.csv")
    assert (result.returncode, result.stdout) == (3, "")
    assert "PNEUMONIA images are needed as well" in result.stderr


def test_classes_of_other_names_are_refused(trained, evaluate):
    for name in ("Healthy", "COVID"):
        (trained.folder / "covid" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((9, 9), dtype=np.uint8)).save(trained.folder / "covid" / name / "a.png")
    result = evaluate("--data", "folder:source=covid,negative=Healthy,positive=COVID")
    assert result.returncode == 3
    assert "its classes are Healthy and COVID, but the model tells NORMAL from PNEUMONIA" in result.stderr


def test_a_dataset_that_does_not_exist_is_refused(evaluate):
    result = evaluate("--data", "nowhere/")
    assert result.returncode == 2
    assert "nowhere" in result.stderr
