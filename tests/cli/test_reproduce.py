"""`cxrbench reproduce ENTRY` gives the same numbers, or reports what differs."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxrbench.evaluation.prediction_table import read_predictions, write_predictions
from cxrbench.evaluation.rates import npv, ppv, rates

RUN = ("run", "--data", "images", "--image-size", 32, "--augmentation", "none", "--imbalance", "class-weights", "--no-controls")
QUICK = ("--trials", 2, "--epochs", 1, "--workers", 0, "--offline", "--backbone", "control-intensity")
UNUSUAL = ("--seeds", 2, "--also-at", 0.6, "--prevalence", 0.2, "--threshold", "youden", "--resize", "pad", "--metric", "f1")


@pytest.mark.slow
def test_a_row_of_another_process_is_reproduced_exactly(small_run):
    workspace, _ = small_run
    entry = workspace.protocol_folder() / "entries" / "texture+none+smote.json"
    before = workspace.files("**/*")
    result = workspace.call("reproduce", entry, "--workers", 0)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "texture+none+smote: reproduced exactly, every metric, threshold and prediction\n"
    assert workspace.files("**/*") == before


def test_the_page_on_submitting_a_row_names_every_file(small_run):
    folder = small_run[0].protocol_folder()
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "submit-a-row.md").read_text(encoding="utf-8")
    written = {path.relative_to(folder).parts[0] for path in folder.rglob("*") if path.is_file()}
    named = set(re.findall(r"`(\w[\w.]*)[/`]", "\n".join(re.findall(r"^\| `.*$", page, re.MULTILINE))))
    assert written - {"models", "protocol.json"} == named - {"shifts", "external"}


@pytest.fixture(scope="module")
def finished(make_workspace, tmp_path_factory, draw_images, tensorflow_ready):
    """Run once with settings that are not the defaults."""
    workspace = make_workspace(tmp_path_factory.mktemp("finished"))
    draw_images(workspace.folder / "images", 200, 220, difference=1)
    assert workspace.call_here(*RUN, *QUICK, *UNUSUAL).returncode == 0
    return workspace


@pytest.fixture
def entry(finished, workspace):
    """Copy the run; return the path of its entry."""
    shutil.copytree(finished.folder, workspace.folder, dirs_exist_ok=True)
    (path,) = workspace.protocol_folder().glob("entries/control*.json")
    return path


@pytest.fixture
def reproduce(run_here):
    return lambda path, *more: run_here("reproduce", path, "--workers", 0, "--offline", *more)


def change(path, how):
    stored = json.loads(path.read_text())
    how(stored)
    path.write_text(json.dumps(stored))


def differences(result):
    """Return the table with single blanks."""
    return [" ".join(line.split()) for line in result.stdout.splitlines() if line.strip()]


def test_all_settings_but_the_data_path_come_from_the_entry(reproduce, entry, workspace):
    (workspace.folder / "images").rename(workspace.folder / "moved")
    (workspace.folder / "moved").rename(workspace.folder / "elsewhere")
    result = reproduce(entry, "--data", "elsewhere")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "reproduced exactly" in result.stdout


def test_the_path_of_the_images_is_required(reproduce, entry):
    result = reproduce(entry)
    assert (result.returncode, result.stdout) == (2, "")
    assert "the dataset folder needs a source" in " ".join(result.stderr.split())


def test_other_images_are_refused_by_their_fingerprint(reproduce, entry, write_images):
    write_images("other", 200, 220, seed=1)
    fingerprint = json.loads(entry.read_text())["protocol"]["fingerprint"]
    result = reproduce(entry, "--data", "other")
    assert (result.returncode, result.stdout) == (2, "")
    words = " ".join(result.stderr.split())
    assert "--data other: the images, labels or patients are not those of images: fingerprint" in words
    assert re.search(rf"fingerprint [0-9a-f]{{12}}, expected {fingerprint[:12]}", words)


def test_a_metric_changed_by_hand_is_refused_before_the_run(reproduce, copy_of_small_run):
    entry = copy_of_small_run.protocol_folder() / "entries" / "texture+none+none.json"
    change(entry, lambda stored: stored["metrics"].update(accuracy=0.99))
    result = reproduce(entry)
    assert (result.returncode, result.stdout) == (2, "")
    assert "is refused: accuracy 0.99 is not the mean" in " ".join(result.stderr.split())
    assert "trials" not in result.stderr


def test_consistently_changed_metrics_are_found_by_running_again(reproduce, entry):
    def improve(stored):
        (fold,) = stored["folds"]
        for head in fold["heads"]:
            counts = head["confusion"]
            counts["tp"], counts["fn"] = counts["tp"] + 1, counts["fn"] - 1
            positives, negatives = counts["tp"] + counts["fn"], counts["fp"] + counts["tn"]
            found = {name: float(value) for name, value in rates(counts["tp"], counts["fp"], positives, negatives).items()}
            found |= {
                name: float(value(found["recall"], found["specificity"], 0.2)) for name, value in (("ppv", ppv), ("npv", npv))
            }
            head["metrics"].update(found)
        for name in found:
            stored["metrics"][name] = sum(head["metrics"][name] for head in fold["heads"]) / 2
            stored["intervals"][name] = [0.0, 1.0]

    change(entry, improve)
    result = reproduce(entry, "--data", "images")
    assert result.returncode == 1
    found = {line.split()[0] for line in differences(result)[2:]}
    assert {"accuracy", "recall", "f1"} <= found
    assert "auc" not in found


def test_every_deviation_is_a_line_with_both_values(reproduce, entry):
    def forge(stored):
        stored["versions"]["keras"] = "1.0"
        fold = stored["folds"][0]
        fold["params"]["dropout"] = fold["history"]["params"]["dropout"][fold["selected_trial"]] = 0.125
        fold["heads"][1]["threshold"] = 0.25

    change(entry, forge)
    (table,) = entry.parents[1].glob("predictions/control*.npz")
    *heads, last = read_predictions(table)
    write_predictions(table, [*heads, replace(last, scores=np.append(last.scores[:-1], 0.5))])
    result = reproduce(entry, "--data", "images")
    assert result.returncode == 1
    found = differences(result)
    assert found[0] == "what stored now"
    assert any(line.startswith("version of keras 1.0 3.") for line in found)
    assert any(line.startswith("fold 0: dropout 0.125 0.") for line in found)
    assert any(line.startswith("fold 0: seed 1: threshold 0.25 0.") for line in found)
    assert any(re.fullmatch(r"predictions 378 scores 1 differ, by up to 0\.\d+", line) for line in found)
    assert len(found) == 2 + 4


def test_missing_predictions_are_reported(reproduce, entry):
    (table,) = entry.parents[1].glob("predictions/control*.npz")
    *heads, last = read_predictions(table)
    shorter = {name: getattr(last, name)[:-1] for name in ("keys", "patients", "labels", "scores")}
    write_predictions(table, [*heads, replace(last, **shorter)])
    result = reproduce(entry, "--data", "images")
    assert result.returncode == 1
    assert differences(result)[2:] == ["predicted images 377 378"]


def test_an_entry_without_search_or_result_cannot_be_reproduced(reproduce, copy_of_small_run):
    entry = copy_of_small_run.protocol_folder() / "entries" / "texture+none+none.json"
    result = reproduce(entry.with_name("majority-class.json"))
    assert (result.returncode, result.stdout) == (2, "")
    assert "majority-class is not a recipe" in result.stderr
    change(entry, lambda stored: stored.update(status="failed", reason="no room"))
    result = reproduce(entry)
    assert (result.returncode, result.stdout) == (2, "")
    assert "is failed: there is no result to reproduce" in " ".join(result.stderr.split())


@pytest.mark.parametrize("name", ["absent.json", "protocol.json", "LEADERBOARD.md"])
def test_a_file_that_is_not_an_entry_is_named(reproduce, small_run, tmp_path, name):
    for file in small_run[0].protocol_folder().glob("*.*"):
        shutil.copy(file, tmp_path)
    result = reproduce(tmp_path / name)
    assert (result.returncode, result.stdout) == (2, "")
    assert name in result.stderr
    assert "Traceback" not in result.stderr
