"""Imbalance strategies that overstep: what they can reach in a real run, and how they are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

RUN = ("run", "--data", "images", "--image-size", 32, "--augmentation", "none", "--no-controls", "--offline", "--workers", 0)
QUICK = ("--trials", 2, "--epochs", 1, "--json", "--backbone", "control-intensity", "--plugin", "strategies.py")
PLUGIN = """
from pathlib import Path

import numpy as np

from cxrbench import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    names = ("notes", "liar", "forger", "twin")
    return [Imbalance(name=name, factory=f"{__name__}:{name}", needs_features=True) for name in names]


def notes(fold, *, seed):
    Path("seen").mkdir(exist_ok=True)
    np.savez(f"seen/{seed}.npz", labels=fold.labels, features=fold.features)
    return Balance()


def liar(fold, *, seed):
    fold.labels[fold.labels == 0] = 1
    return Balance()


def forger(fold, *, seed):
    normal = fold.features[fold.labels == 0]
    return Balance(synthetic=(normal, np.ones(len(normal), dtype=np.int64)))


def twin(fold, *, seed):
    normal = fold.features[fold.labels == 0]
    return Balance(synthetic=(normal, np.zeros(len(normal), dtype=np.int64)))
"""


@pytest.fixture
def run(run_here, write_images, workspace):
    (workspace.folder / "strategies.py").write_text(PLUGIN)
    write_images("images", 240, 260)

    def call(*more):
        return run_here(*RUN, *QUICK, *more)

    return call


def test_changed_labels_are_a_failed_row_with_the_reason(run):
    names = ("none", "liar", "forger", "twin")
    result = run(*(word for name in names for word in ("--imbalance", name)))
    assert result.returncode == 1
    rows = {row["imbalance"]: row for row in json.loads(result.stdout) if row["kind"] == "recipe"}
    assert {name: row["status"] for name, row in rows.items()} == {
        "none": "complete",
        "twin": "complete",  # copies that keep their label are allowed
        "liar": "failed",
        "forger": "failed",
    }
    assert "imbalance liar altered the labels that it was given" in rows["liar"]["reason"]
    assert "imbalance forger returned a training row with an altered label" in rows["forger"]["reason"]
    for name in ("liar", "forger"):
        assert (rows[name]["rank"], rows[name]["auc"], rows[name]["trials_failed"]) == (None, None, 2)


def test_a_strategy_with_too_few_rows_is_a_row_with_a_warning(run, workspace):
    result = run("--imbalance", "smote:k_neighbors=500", "--imbalance", "adasyn:n_neighbors=500")
    assert result.returncode == 0, result.stderr
    rows = [row for row in json.loads(result.stdout) if row["kind"] == "recipe"]
    assert {row["status"] for row in rows} == {"complete"}
    for row in rows:
        (warning,) = [warning for warning in row["warnings"] if row["imbalance"] in warning]
        assert "500 neighbours of each row are asked for, but the rarer class has" in warning
        assert warning.endswith("training rows: nothing was balanced")
    assert "nothing was balanced" in (workspace.protocol_folder() / "LEADERBOARD.md").read_text()


def test_a_strategy_gets_only_the_training_rows_of_its_fold(run, workspace):
    result = run("--imbalance", "notes", "--folds", 3)
    assert result.returncode == 0, result.stderr
    (features,) = (workspace.folder / "home").glob("features/*/rows.raw")
    everything = np.fromfile(features, dtype=np.float32).reshape(500, -1)
    keys = [f"{name}/{number:03d}.jpeg" for name, count in (("NORMAL", 240), ("PNEUMONIA", 260)) for number in range(count)]
    row_of = {key: row for row, key in enumerate(keys)}
    assert len({row.tobytes() for row in everything}) == 500
    seen = [np.load(path) for path in (workspace.folder / "seen").glob("*.npz")]
    assert len(seen) == 3
    (predictions,) = workspace.protocol_folder().glob("predictions/control*")
    lines = workspace.rows(predictions)
    rows_seen = {frozenset(row.tobytes() for row in one["features"]) for one in seen}
    rows_left = set()
    for fold in range(3):
        held_out = {row_of[line["key"]] for line in lines if line["fold"] == str(fold)}
        assert len(held_out) > 200
        rows_left.add(frozenset(row.tobytes() for number, row in enumerate(everything) if number not in held_out))
    assert rows_seen == rows_left
    for one in seen:
        numbers = {row.tobytes(): number for number, row in enumerate(everything)}
        assert [numbers[row.tobytes()] >= 240 for row in one["features"]] == one["labels"].astype(bool).tolist()
