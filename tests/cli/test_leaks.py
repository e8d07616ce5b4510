"""A leak stops a run; with --allow-leak or --split paper every row is marked."""

from __future__ import annotations

import csv
import json
import shutil

import pytest

RUN = ("run", "--data", "images", "--image-size", 32, "--augmentation", "none", "--imbalance", "none", "--no-controls")
QUICK = ("--trials", 1, "--epochs", 1, "--workers", 0, "--offline", "--backbone", "control-intensity")
LEAK = "4 images on both sides of the split are the same file, byte for byte"


@pytest.fixture
def run(run_here):
    def call(*more):
        return run_here(*RUN, *QUICK, *more)

    return call


@pytest.fixture
def tree(write_images, workspace):
    """Write images in train/ and test/, of which two lie in both."""
    write_images("train", 200, 220)
    write_images("test", 30, 40, seed=1)
    for name in ("NORMAL", "PNEUMONIA"):
        shutil.copy(workspace.folder / "train" / name / "007.jpeg", workspace.folder / "test" / name / "copy.jpeg")
    (workspace.folder / "images").mkdir()
    for part in ("train", "test"):
        (workspace.folder / part).rename(workspace.folder / "images" / part)


def test_a_leak_stops_the_run_with_images_and_remedy(run, tree, workspace):
    result = run()
    assert (result.returncode, result.stdout) == (3, "")
    words = " ".join(result.stderr.split())
    assert f"error: images: {LEAK}" in words
    assert "train/NORMAL/007.jpeg" in words
    assert "--split grouped" in words
    assert "--allow-leak" in words
    assert not list(workspace.folder.glob("leaderboard/*/entries/*"))


def test_allow_leak_marks_every_row_and_entry(run, tree, workspace, run_here):
    result = run("--allow-leak", "--json")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)
    assert {row["kind"] for row in rows} == {"recipe", "baseline"}
    for row in rows:
        assert any(LEAK in line for line in row["warnings"])
        assert "4 byte-identical (leak)" in row["audit"]
    assert LEAK in " ".join(result.stderr.split())
    (entry,) = workspace.entries().values()
    assert entry["audit"]["findings"][0]["severity"] == "leak"
    assert LEAK in (workspace.protocol_folder() / "LEADERBOARD.md").read_text()
    shown = " ".join(run_here("leaderboard").stdout.split())
    assert LEAK in shown
    assert "4 byte-identical (leak)" in shown
    (path,) = workspace.protocol_folder().glob("entries/control*")
    again = run_here("reproduce", path, "--data", "images", "--workers", 0)
    assert (again.returncode, "reproduced exactly" in again.stdout) == (0, True)


def test_an_allowed_leak_still_stops_the_next_run(run, tree):
    assert run("--allow-leak").returncode == 0
    assert run().returncode == 3


def test_grouped_keeps_the_copies_on_one_side(run, tree):
    result = run("--split", "grouped", "--json")
    assert result.returncode == 0, result.stderr
    assert not any("on both sides of the split" in line for row in json.loads(result.stdout) for line in row["warnings"])


@pytest.fixture
def patients(write_images, workspace):
    """Write images of 105 patients, four each, in a manifest."""
    write_images("images", 210, 210)
    with (workspace.folder / "images.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "patient"))
        for name in ("NORMAL", "PNEUMONIA"):
            writer.writerows(
                (f"images/{name}/{number:03d}.jpeg", name.lower(), f"{name}{number // 4}") for number in range(210)
            )


def test_a_random_cut_runs_and_marks_title_and_rows(run, patients, workspace):
    result = run("--data", "images.csv", "--split", "paper", "--json")
    assert result.returncode == 0, result.stderr
    for row in json.loads(result.stdout):
        assert any("with images on both sides of the split" in line for line in row["warnings"])
        assert "shared-patients (warning)" in row["audit"]
    assert workspace.protocol_folder().name.startswith("images-paper-")
    assert "# images-paper-" in (text := (workspace.protocol_folder() / "LEADERBOARD.md").read_text())
    assert "split paper (in-distribution, patients shared)" in text.splitlines()[0]
    assert "with images on both sides of the split" in text


def test_grouped_shares_no_patient_and_marks_nothing(run, patients, workspace):
    result = run("--data", "images.csv", "--json")
    assert result.returncode == 0, result.stderr
    assert not any("on both sides of the split" in line for row in json.loads(result.stdout) for line in row["warnings"])
    assert "in-distribution" not in (workspace.protocol_folder() / "LEADERBOARD.md").read_text()
