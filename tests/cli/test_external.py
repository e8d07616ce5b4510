"""External test sets: scored with the frozen heads, at any time, and kept apart from the protocol's own results."""

from __future__ import annotations

import json
import shutil
import warnings

import pytest

RUN = ("run", "--data", "images", "--image-size", 32, "--augmentation", "none", "--imbalance", "none", "--no-controls")
QUICK = ("--trials", 2, "--epochs", 1, "--workers", 0, "--offline", "--backbone", "control-intensity", "--json")
RECIPE = "control-intensity+none+none"


@pytest.fixture
def run(run_here, write_images):
    write_images("images", 200, 220)
    write_images("ward", 30, 40, seed=1)

    def call(*more):
        return run_here(*RUN, *QUICK, *more)

    return call


def trials(workspace):
    """Return the record of each trial, without the line that Optuna adds whenever it opens a study."""
    journals = workspace.files("studies/*.journal")
    return {path: [line for line in content.splitlines() if b'"op_code":4,' in line] for path, content in journals.items()}


def row_of(result):
    return next(row for row in json.loads(result.stdout) if row["recipe"] == RECIPE)


def test_an_external_test_set_added_later_needs_no_training(run, workspace):
    first = run()
    assert first.returncode == 0, first.stderr
    (folder,) = workspace.folder.glob("leaderboard/images-*")
    studies, predictions, locks = trials(workspace), workspace.files("*/predictions/*"), workspace.files("*/test_lock/*")
    assert [len(lines) for lines in studies.values()] == [2]
    entry = workspace.entries()[RECIPE]
    shutil.copytree(workspace.folder / "ward" / "NORMAL", workspace.folder / "ward" / "COVID")
    second = run("--external", "ward=ward")
    assert second.returncode == 0, second.stderr
    assert "external ward: ignored folders that are neither a class nor" in second.stderr
    assert workspace.protocol_folder() == folder  # the protocol's name does not depend on it
    assert (trials(workspace), workspace.files("*/predictions/*"), workspace.files("*/test_lock/*")) == (
        studies,
        predictions,
        locks,
    )
    again = workspace.entries()[RECIPE]
    assert {name: value for name, value in again.items() if name != "seconds"} == {
        name: value for name, value in entry.items() if name != "seconds"
    }
    mine, other = row_of(first), row_of(second)
    assert {name: other[name] for name in mine if name != "seconds"} == {name: mine[name] for name in mine if name != "seconds"}
    assert other["external_ward_auc"] == 1  # all images of the positive class are brighter
    files = {path.relative_to(folder).as_posix() for path in folder.glob("external/**/*.*")}
    assert files == {f"external/ward/{name}.{end}" for name in (RECIPE, "majority-class") for end in ("json", "npz")}


def test_scored_test_sets_stay_and_are_not_scored_again(run, workspace):
    assert run("--external", "ward=ward").returncode == 0
    before = {path: path.stat().st_mtime_ns for path in workspace.folder.glob("leaderboard/*/e*/**/*.*")}
    assert len(before) == 6
    again = run("--external", "ward=ward")
    assert again.returncode == 0
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert row_of(run())["external_ward_auc"] == row_of(again)["external_ward_auc"] == 1


def test_other_images_under_the_same_name_are_scored_anew(run, workspace, write_images):
    assert run("--external", "ward=ward").returncode == 0
    write_images("other", 50, 20, seed=2)
    result = run("--external", "ward=other")
    assert result.returncode == 0, result.stderr
    stored = json.loads((workspace.protocol_folder() / "external" / "ward" / f"{RECIPE}.json").read_text())
    assert (stored["negative"], stored["positive"], stored["dataset"]) == (50, 20, "other")
    assert len(workspace.rows(f"external/ward/{RECIPE}.npz")) == 70


def test_several_test_sets_have_columns_each(run, write_images):
    write_images("dim", 40, 30, seed=2, difference=0)
    row = row_of(run("--external", "ward=ward", "--external", "dim-2=dim"))
    assert row["external_ward_auc"] == 1
    assert 0.2 < row["external_dim-2_auc"] < 0.8
    assert row["external_dim-2_accuracy_low"] <= row["external_dim-2_accuracy"] <= row["external_dim-2_accuracy_high"]


def test_images_of_the_dataset_cannot_be_an_external_test_set(run, workspace):
    shutil.copy(workspace.folder / "images" / "NORMAL" / "000.jpeg", workspace.folder / "ward" / "NORMAL" / "copy.jpeg")
    result = run("--external", "ward=ward")
    assert (result.returncode, result.stdout) == (3, "")
    assert "1 image also in ward, which is therefore not an independent test set" in " ".join(result.stderr.split())
    assert run("--external", "ward=ward", "--allow-leak").returncode == 0


def test_an_external_test_set_of_one_class_is_refused(run, workspace):
    assert run().returncode == 0
    finished = {pattern: workspace.files(pattern) for pattern in ("*/entries/*", "*/predictions/*", "*/*.*")}
    lines = [f"ward/NORMAL/{number:03d}.jpeg,normal" for number in range(30)]
    (workspace.folder / "one.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        result = run("--external", "one=one.csv")
    assert (result.returncode, result.stdout) == (3, "")
    assert "error: " in result.stderr
    assert finished == {pattern: workspace.files(pattern) for pattern in finished}
    assert run().returncode == 0
