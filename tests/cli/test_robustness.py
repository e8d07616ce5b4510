"""Test images under shifts: scored by the frozen heads, ranked by themselves, added to a finished run without a trial."""

from __future__ import annotations

import csv
import io
import json
import shutil

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from cxrbench.benchmark.wanted_shifts import STANDARD
from cxrbench.evaluation.prediction_table import read_predictions

CONVNET, BORDER = "random-convnet+none+none", "control-border+none+none"
ONE_RECIPE = (
    *("run", "--data", "phantom:images=600,size=32", "--image-size", 32, "--epochs", 2, "--trials", 2, "--workers", 0),
    *("--offline", "--backbone", "control-border", "--no-controls", "--augmentation", "none", "--imbalance", "none"),
    *("--seeds", 2),
)
RUN = (*ONE_RECIPE, "--backbone", "random-convnet", "--robustness", "standard")
VEIL = """
from cxrbench.plugin import Shift, hookimpl

@hookimpl
def register_shifts():
    strengths = {"unit": "percent", "strengths": (4.0, 8.0, 16.0)}
    return [Shift(name=name, factory=f"{__name__}:{name}", **strengths) for name in ("veil", "broken", "blank")]

def veil(*, input_shape, strength, seed):
    return lambda images: images * (1 - strength / 100) + 2.55 * strength

def broken(*, input_shape, strength, seed):
    raise RuntimeError("the shift broke")

def blank(*, input_shape, strength, seed):
    return lambda images: images * float("nan")
"""


@pytest.fixture(scope="module")
def standard(run_once):
    """Run two recipes with the default shifts, once for all tests."""
    return run_once("robustness", *RUN)[0]


@pytest.fixture
def copy(standard, tmp_path, make_workspace):
    shutil.copytree(standard.folder, tmp_path / "copy")
    return make_workspace(tmp_path / "copy")


@pytest.fixture
def rows_of():
    """Return a function that reads the CSV of the only board of a workspace."""

    def read(workspace, *options):
        printed = workspace.call_here("leaderboard", "--format", "csv", *options).stdout
        return {row["recipe"]: row for row in csv.DictReader(io.StringIO(printed))}

    return read


def result_of(workspace, recipe):
    return json.loads((workspace.protocol_folder() / "shifts" / f"{recipe}.json").read_text())


def aucs(workspace, recipe, shift):
    """Return the AUC of each head under a shift, from the stored scores."""
    (path,) = (workspace.protocol_folder() / "shifts" / recipe).glob(f"{shift}-*.npz")
    return {(head.fold, head.seed): roc_auc_score(head.labels, head.scores) for head in read_predictions(path)}


def test_the_mean_over_four_kinds_is_a_column_with_ranks(standard, rows_of):
    rows = rows_of(standard)
    for recipe in (CONVNET, BORDER):
        means = [np.mean(list(aucs(standard, recipe, kind).values())) for kind in STANDARD]
        assert float(rows[recipe]["auc_shifted"]) == pytest.approx(np.mean(means))
        assert float(rows[recipe]["auc_worst"]) == pytest.approx(min(means))
        assert rows[recipe]["worst_shift"].startswith(f"{STANDARD[int(np.argmin(means))]}@")
        assert float(rows[recipe]["auc_shifted_low"]) <= np.mean(means) <= float(rows[recipe]["auc_shifted_high"])
    better = max((CONVNET, BORDER), key=lambda recipe: float(rows[recipe]["auc_shifted"]))
    assert rows[better]["rank_auc_shifted"] == rows[better]["rank_auc_shifted_low"] == "1"
    for column in ("auc_worst", "accuracy_shifted", "recall_shifted", "specificity_shifted"):
        first, second = sorted((CONVNET, BORDER), key=lambda recipe: -float(rows[recipe][column]))
        assert rows[first][f"rank_{column}"] == "1" <= rows[second][f"rank_{column}"] == rows[second][f"rank_{column}_high"]
        assert next(iter(rows_of(standard, "--sort", column))) == first
    assert rows["majority-class"]["auc_shifted"] == ""
    assert next(iter(rows_of(standard, "--sort", "auc_shifted"))) == better


def test_accuracy_under_shift_is_at_the_frozen_threshold(standard, rows_of):
    thresholds = {
        (fold["fold"], head["seed"]): head["threshold"]
        for fold in standard.entries()[CONVNET]["folds"]
        for head in fold["heads"]
    }
    found = []
    for path in (standard.protocol_folder() / "shifts" / CONVNET).glob("*.npz"):
        heads = read_predictions(path)
        found += [accuracy_score(one.labels, one.scores >= thresholds[one.fold, one.seed]) for one in heads]
    assert len(found) == 4 * 2
    assert float(rows_of(standard)[CONVNET]["accuracy_shifted"]) == pytest.approx(np.mean(found))
    scores = result_of(standard, CONVNET)["scores"]
    assert all(one["loss"]["best_accuracy"] >= one["metrics"]["accuracy"] for one in scores)


def test_shifted_images_are_the_test_images_of_the_fold(standard):
    folder = standard.protocol_folder()
    table = read_predictions(folder / "predictions" / f"{CONVNET}.npz")
    stored = {(one.fold, one.seed): set(one.keys) for one in table if one.subset == "test"}
    for path in (folder / "shifts" / CONVNET).glob("*.npz"):
        for head in read_predictions(path):
            assert set(head.keys) == stored[head.fold, head.seed]


def test_images_are_shifted_once_for_all_backbones(standard):
    decoded, of_the_test, shifted = 1, 1, len(STANDARD)
    images = list((standard.folder / "home" / "images").glob("*/rows.raw"))
    assert len(images) == decoded + of_the_test + shifted
    sizes = sorted(path.stat().st_size for path in images)
    assert sizes == [sizes[0]] * (of_the_test + shifted) + [600 * 32 * 32]
    rows = [line.split() for line in standard.call_here("cache", "info").stdout.splitlines()]
    assert [row[1] for row in rows if row[:1] == ["images"]] == [str(len(images))]


def test_entries_do_not_depend_on_shifts(standard, make_workspace, tmp_path, rows_of):
    plain = make_workspace(tmp_path)
    assert plain.call_here(*RUN[:-1], "none").returncode == 0
    assert not (plain.protocol_folder() / "shifts").exists()
    assert "auc_shifted" not in rows_of(plain)[CONVNET]
    entries, others = plain.entries(), standard.entries()
    for recipe, entry in entries.items():
        assert [fold["heads"] for fold in entry["folds"]] == [fold["heads"] for fold in others[recipe]["folds"]]


def test_all_kinds_are_added_without_a_trial(copy, rows_of):
    before = {path: path.read_bytes() for path in (copy.folder / "leaderboard" / "studies").iterdir()}
    (copy.folder / "veil.py").write_text(VEIL, encoding="utf-8")
    done = copy.call_here(*ONE_RECIPE, "--robustness", "full", "--plugin", "veil.py")
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in (copy.folder / "leaderboard" / "studies").iterdir()} == before
    row = rows_of(copy)[BORDER]
    assert 0 <= float(row["shift_veil@8_auc"]) <= 1
    assert 0 <= float(row["shift_rotation@5_auc"]) <= 1
    assert row["shift_broken@4_auc"] == ""
    assert "shift broken@4 was not scored: " in done.stderr + row["warnings"]
    scores = {one["name"]: one for one in result_of(copy, BORDER)["scores"]}
    assert "the shift broke" in scores["broken@16"]["problem"]
    assert "shift blank@4 returned pixels that are not finite" in scores["blank@4"]["problem"]
    assert len(scores) == (14 + 3) * 3
    shown = copy.call_here("show", BORDER).stdout
    assert "test images under shifts" in shown
    assert "veil@16" in shown


def test_a_changed_table_of_shifted_scores_is_refused(copy):
    path = next((copy.protocol_folder() / "shifts" / CONVNET).glob("border*.npz"))
    path.write_bytes(path.read_bytes()[:-20])
    done = copy.call_here("leaderboard")
    assert done.returncode != 0
    assert path.name in done.stderr


def test_a_value_that_the_scores_do_not_give_is_refused(copy):
    path = copy.protocol_folder() / "shifts" / f"{CONVNET}.json"
    stored = json.loads(path.read_text())
    stored["scores"][0]["metrics"]["auc"] = 0.999
    path.write_text(json.dumps(stored))
    done = copy.call_here("leaderboard")
    assert done.returncode != 0
    assert f"its auc under {stored['scores'][0]['name']} is not that of the scores in" in done.stderr
