"""Bad input gets one clear message, the right exit code and no traceback, and changes no finished results."""

from __future__ import annotations

import json

import pytest

RUN = ("run", "--backbone", "control-intensity", "--no-controls", "--augmentation", "none", "--imbalance", "none", "--offline")
QUICK = ("--trials", 1, "--epochs", 1, "--image-size", 32, "--workers", 0)


def refused(result, code, *words):
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    for word in words:
        assert word in result.stderr


def test_an_empty_folder(workspace):
    (workspace.folder / "empty").mkdir()
    refused(workspace.call(*RUN, *QUICK, "--data", "empty"), 3, "empty", "NORMAL/")


def test_one_class_only(run_here, write_images):
    write_images("one", 60, 0)
    refused(run_here(*RUN, *QUICK, "--data", "one"), 3, "PNEUMONIA")


def test_too_few_validation_images(run_here, write_images):
    write_images("few", 100, 100)
    refused(run_here(*RUN, *QUICK, "--data", "few"), 3, "validation", "at least 50")


def test_unreadable_files_are_named_skipped_and_counted(run_here, workspace, write_images):
    folder = write_images("images", 200, 220)
    whole = (folder / "NORMAL" / "000.jpeg").read_bytes()
    (folder / "NORMAL" / "cut.jpeg").write_bytes(whole[: len(whole) // 2])
    (folder / "PNEUMONIA" / "notes.txt").write_text("no image")
    (folder / "NORMAL" / "lung masks").mkdir()
    (folder / "NORMAL" / "lung masks" / "000.png").write_bytes(whole)
    result = run_here(*RUN, *QUICK, "--data", "images")
    assert result.returncode == 0, result.stderr
    for text in (result.stderr, result.stdout):
        assert "2 of 422 files" in " ".join(text.split())
        assert "NORMAL/cut.jpeg" in text
        assert "PNEUMONIA/notes.txt" in text
        assert "ignored masks: 1 image file in NORMAL/lung masks/ (1)" in " ".join(text.split())
    (entry,) = workspace.entries().values()
    assert entry["dataset"]["skipped"] == 2
    assert "ignored masks: 1 image file in NORMAL/lung masks/ (1)" in entry["warnings"]
    assert (entry["dataset"]["negative"], entry["dataset"]["positive"]) == (200, 220)
    assert sum(sum(part.values()) for part in entry["dataset"]["folds"]) == 420


def test_an_unreadable_file_does_not_shift_the_images_after_it(run_here, workspace, write_images):
    folder = write_images("images", 210, 210)
    (folder / "notes.png").write_text("no image")
    by_turns = [f"images/{name}/{number:03d}.jpeg,{name.lower()}" for number in range(210) for name in ("NORMAL", "PNEUMONIA")]
    (workspace.folder / "images.csv").write_text("\n".join(["path,label", "images/notes.png,normal", *by_turns]))
    result = run_here(*RUN, *QUICK, "--data", "images.csv", "--epochs", 5)
    assert result.returncode == 0, result.stderr
    (entry,) = workspace.entries().values()
    assert entry["dataset"]["skipped"] == 1
    validation = entry["folds"][0]["validation"]
    assert (validation["auc"], entry["metrics"]["auc"]) == (1, 1)  # all images of the positive class are brighter


def test_strict_data_makes_an_unreadable_file_an_error(run_here, write_images):
    folder = write_images("images", 200, 220)
    (folder / "NORMAL" / "cut.jpeg").write_bytes((folder / "NORMAL" / "000.jpeg").read_bytes()[:300])
    refused(run_here(*RUN, *QUICK, "--data", "images", "--strict-data"), 3, "NORMAL/cut.jpeg", "1 of 421")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--trials", 0), ("--trials 0", "greater than")),
        (("--backbone", "resnet5"), ("resnet5", "did you mean", "resnet50")),
        (("--backbone", "mobilenet:alpha=big"), ("alpha=big", "number")),
        (("--backbone", "texture:depth=3"), ("depth", "orientations")),
        (("--imbalance", "smote:k_neighbors=two"), ("k_neighbors=two",)),
        (("--augmentation", "gentle:views=0"), ("views=0",)),
        (("--backbone", "keras-file:pth=/nowhere/model.keras"), ("unknown option of keras-file 'pth'", "did you mean path")),
        (("--backbone", "keras-file:path=/nowhere/model.keras"), ("path=/nowhere/model.keras: no such file",)),
        (("--engine", "optuna:sampler=best"), ("sampler=best", "tpe")),
        (("--threshold", "best"), ("--threshold best", "max-f1")),
        (("--data", "nowhere/at/all"), ("nowhere/at/all", "no such")),
        (("--data", "phantm"), ("phantm", "did you mean phantom")),
        (("--external", "ward"), ("--external", "NAME=PATH")),
        (("--external", "ward=nowhere/at/all"), ("nowhere/at/all", "no such")),
        (("--also-at", 1.5), ("--also-at 1.5", "less than 1")),
        (("--folds", 21), ("--folds 21", "less than or equal to 20")),
        (("--engine", "fixed:dropout=half"), ("dropout=half", "number")),
        (("--preset", "rapport"), ("unknown preset 'rapport'", "report")),
        (("--config", "absent.toml"), ("absent.toml",)),
        (("--plugin", "absent.py"), ("absent.py",)),
    ],
)
def test_invalid_settings_give_exit_code_2_before_any_work(run_here, workspace, flags, words):
    refused(run_here(*RUN, *QUICK, *flags), 2, *words)
    assert not (workspace.folder / "home" / "features").exists()


def test_an_out_that_cannot_be_written_is_found_before_the_work(run_here, workspace):
    (workspace.folder / "file").write_text("not a folder")
    refused(run_here(*RUN, *QUICK, "--out", "file"), 2, "--out file", "cannot write")


def test_bad_input_leaves_finished_work_alone(run_here, workspace, write_images):
    write_images("images", 200, 220)
    assert run_here(*RUN, *QUICK, "--data", "images").returncode == 0
    before = {path: path.read_bytes() for path in workspace.folder.glob("leaderboard/**/*") if path.is_file()}
    assert run_here(*RUN, *QUICK, "--data", "images", "--trials", 0).returncode == 2
    assert run_here(*RUN, *QUICK, "--data", "images", "--backbone", "nonsense").returncode == 2
    assert before == {path: path.read_bytes() for path in before}


def test_a_failed_recipe_is_a_row_with_its_failure_reason(run_here, workspace, write_images):
    write_images("images", 30, 400)
    flags = ("--imbalance", "smote:k_neighbors=40")
    result = run_here(*RUN, *QUICK, "--data", "images", *flags, "--json")
    refused_data = result.returncode == 3  # 30 normal images are too few for validation
    assert refused_data
    write_images("more", 80, 400)
    result = run_here(*RUN, *QUICK, "--data", "more", "--imbalance", "smote:k_neighbors=0", "--json")
    assert result.returncode == 1
    rows = {row["imbalance"]: row for row in json.loads(result.stdout) if row["kind"] == "recipe"}
    assert rows["none"]["status"] == "complete"
    assert rows["smote:k_neighbors=0"]["status"] == "failed"
    assert "0 neighbours of each row are asked for; at least 1" in rows["smote:k_neighbors=0"]["reason"]
