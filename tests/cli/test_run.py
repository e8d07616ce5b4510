"""A run on phantoms from end to end, as its user sees it."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess

import numpy as np
import optuna
import pytest
from safetensors.numpy import load_file
from sklearn import metrics as sklearn_metrics

from cxrbench.config.recipe import stem_of
from cxrbench_backbones.random_convnet import random_convnet

METRICS = {
    "accuracy": sklearn_metrics.accuracy_score,
    "recall": sklearn_metrics.recall_score,
    "precision": sklearn_metrics.precision_score,
    "f1": sklearn_metrics.f1_score,
}


def predictions(workspace, entry, part):
    rows = [row for row in workspace.rows(entry["predictions"]) if row["set"] == part]
    return rows, np.array([int(row["label"]) for row in rows]), np.array([float(row["score"]) for row in rows])


def test_rows_have_the_documented_keys_and_are_ranked(small_run):
    rows = json.loads(small_run[1].stdout)
    promised = ["rank", "recipe", "backbone", "augmentation", "imbalance", "status", "accuracy", "recall", "precision", "f1"]
    assert all(row.keys() >= {*promised, "auc", "threshold", "trials"} for row in rows)
    assert [row["rank"] for row in rows] == sorted(row["rank"] for row in rows)
    assert [row["auc"] for row in rows] == sorted((row["auc"] for row in rows), reverse=True)
    assert {row["trials"] for row in rows if row["kind"] == "recipe"} == {3}


def test_entries_hold_the_parameters_of_backbone_and_head(small_run):
    workspace = small_run[0]
    for recipe, entry in workspace.entries().items():
        counts = entry["parameters"]
        if entry["kind"] == "recipe":
            (weights,) = workspace.protocol_folder().glob(f"models/{stem_of(recipe)}/head/*.safetensors")
            assert counts["head"] == sum(array.size for array in load_file(weights).values())
        assert ("backbone" in counts) == (entry["backbone"] == "random-convnet")  # the others are no networks
        if "backbone" in counts:
            built = random_convnet(input_shape=(64, 64, 3), weights="none", seed=0)
            assert counts["backbone"] == sum(int(np.prod(weight.shape)) for weight in built.weights) > 1000
        assert recipe != "majority-class" or counts == {}


def test_the_grid_is_complete_and_each_control_occurs_once(small_run):
    rows = json.loads(small_run[1].stdout)
    assert len(rows) == 2 * 2 * 2 + 3 + 1
    controls = [(row["backbone"], row["augmentation"], row["imbalance"], row["kind"]) for row in rows if row["control"]]
    assert sorted(controls) == [
        ("control-border", "none", "none", "recipe"),
        ("control-intensity", "none", "none", "recipe"),
        ("control-thumbnail", "none", "none", "recipe"),
        ("majority-class", "none", "none", "baseline"),
    ]


def test_every_row_has_intervals_of_its_metrics_and_rank(small_run):
    rows = json.loads(small_run[1].stdout)
    for row in rows:
        assert 1 <= row["rank_low"] <= row["rank"] <= row["rank_high"] <= len(rows)
        for metric in ("auc", "f1", "accuracy", "recall", "precision", "brier", "ppv"):
            assert 0 <= row[f"{metric}_low"] <= row[metric] + 1e-12
            assert row[metric] - 1e-12 <= row[f"{metric}_high"] <= 1
        assert isinstance(row["warnings"], list)
    np.testing.assert_allclose(sum(row["p_first"] for row in rows), 1)


def test_the_majority_class_predicts_the_commoner_training_class(small_run):
    workspace, result = small_run
    (row,) = [row for row in json.loads(result.stdout) if row["kind"] == "baseline"]
    entry = json.loads((workspace.protocol_folder() / "entries" / "majority-class.json").read_text())
    (parts,) = entry["dataset"]["folds"]
    assert parts["train_positive"] > parts["train_negative"]
    _, labels, scores = predictions(workspace, entry, "test")
    share = parts["train_positive"] / (parts["train_positive"] + parts["train_negative"])
    assert set(scores) == {share}
    assert (row["accuracy"], row["recall"], row["auc"]) == (labels.mean(), 1, 0.5)
    np.testing.assert_allclose(row["f1"], sklearn_metrics.f1_score(labels, np.ones(len(labels))))
    np.testing.assert_allclose(row["brier"], np.mean((labels - share) ** 2))
    assert (row["trials"], row["threshold"], row["specificity"]) == (0, 0.5, 0)


def test_stdout_is_data_and_stderr_is_messages(small_run):
    json.loads(small_run[1].stdout)
    assert "features: " in small_run[1].stderr
    assert "━" not in small_run[1].stderr


def test_every_metric_comes_from_the_stored_predictions(small_run):
    workspace, _ = small_run
    for entry in workspace.entries().values():
        _, labels, scores = predictions(workspace, entry, "test")
        ((head,),) = [fold["heads"] for fold in entry["folds"]]
        called = scores >= head["threshold"]
        for name, metric in METRICS.items():
            np.testing.assert_allclose(entry["metrics"][name], metric(labels, called), err_msg=entry["recipe"])
        np.testing.assert_allclose(entry["metrics"]["auc"], sklearn_metrics.roc_auc_score(labels, scores))


def test_the_threshold_is_optimal_on_validation_and_in_the_trial(small_run):
    workspace, _ = small_run
    for entry in workspace.entries().values():
        _, labels, scores = predictions(workspace, entry, "validation")
        (fold,) = entry["folds"]
        (threshold,) = [head["threshold"] for head in fold["heads"]]
        best = max(sklearn_metrics.f1_score(labels, scores >= other) for other in np.unique(scores))
        np.testing.assert_allclose(sklearn_metrics.f1_score(labels, scores >= threshold), best)
        trials = optuna.load_study(study_name=None, storage=optuna_storage(journal(workspace, fold["study"]))).trials
        (selected,) = [trial for trial in trials if trial.user_attrs["number"] == fold["selected_trial"]]
        assert selected.params == {**fold["params"], "threshold": threshold}
        assert selected.value == max(trial.value for trial in trials) == fold["validation"]["auc"]


def test_an_entry_holds_every_trial_as_its_study_recorded_it(small_run):
    workspace, _ = small_run
    entries = [entry for entry in workspace.entries().values() if entry["kind"] == "recipe"]
    assert len(entries) == 11
    for entry in entries:
        (fold,) = entry["folds"]
        history = fold["history"]
        trials = optuna.load_study(study_name=None, storage=optuna_storage(journal(workspace, fold["study"]))).trials
        by_number = {trial.user_attrs["number"]: trial for trial in trials}
        assert len(trials) == len(history["states"]) == sum(fold["trials"].values()) == 3
        for number, state in enumerate(history["states"]):
            recorded = by_number[number]
            assert state == recorded.state.name.lower()
            assert history["values"][number] == recorded.value
            assert {name: column[number] for name, column in history["params"].items()} == recorded.params
            assert history["seconds"][number] == round(recorded.user_attrs["seconds"], 3) > 0


def test_no_patient_is_in_both_validation_and_test(small_run):
    workspace, _ = small_run
    entry = next(iter(workspace.entries().values()))
    validation = {row["patient"] for row in predictions(workspace, entry, "validation")[0]}
    test = {row["patient"] for row in predictions(workspace, entry, "test")[0]}
    assert validation
    assert test
    assert not validation & test


def test_every_table_of_phantoms_says_synthetic(small_run):
    workspace, _ = small_run
    assert workspace.protocol_folder().name.startswith("phantom-synthetic-grouped-")
    assert "SYNTHETIC" in (workspace.protocol_folder() / "LEADERBOARD.md").read_text()
    for form in ("table", "md"):
        assert "SYNTHETIC" in workspace.call_here("leaderboard", "--format", form).stdout
    for form in ("csv", "json"):
        assert "phantom-synthetic" in workspace.call_here("leaderboard", "--format", form).stdout


def test_the_written_tables_and_the_command_agree(small_run):
    workspace, result = small_run
    assert workspace.call_here("leaderboard", "--format", "json").stdout == result.stdout
    table = (workspace.protocol_folder() / "leaderboard.csv").read_text()
    assert workspace.call_here("leaderboard", "--format", "csv").stdout == table


def test_sorting_by_another_metric_ranks_by_it(small_run):
    rows = json.loads(small_run[0].call_here("leaderboard", "--format", "json", "--sort", "accuracy").stdout)
    assert [row["accuracy"] for row in rows] == sorted((row["accuracy"] for row in rows), reverse=True)
    assert rows[0]["rank"] == 1


@pytest.mark.slow
def test_two_workers_give_the_same_predictions_as_none(run_here, write_images, workspace):
    write_images("images", 200, 220)
    few = ("--backbone", "random-convnet", "--augmentation", "gentle:views=1", "--imbalance", "smote", "--no-controls")
    predicted = []
    for workers in (0, 2):
        flags = (*few, "--trials", 2, "--epochs", 2, "--workers", workers, "--out", workers)
        assert run_here("run", "--data", "images", "--image-size", 64, *flags, "--offline").returncode == 0
        assert run_here("cache", "clear").returncode == 0
        predicted.append({path.name: path.read_bytes() for path in workspace.folder.glob(f"{workers}/*/predictions/*.npz")})
    assert len(predicted[0]) == 2  # of the recipe and the baseline
    assert predicted[0] == predicted[1]


def test_the_same_command_again_repeats_nothing(copy_of_small_run, small_flags):
    workspace = copy_of_small_run
    before = {path: path.stat().st_mtime_ns for path in workspace.folder.glob("leaderboard/**/*.json")}
    studies = {path: path.read_bytes() for path in workspace.folder.glob("leaderboard/studies/*.journal")}
    result = workspace.call_here("run", *small_flags, "--trials", 3, "--workers", 0)
    assert result.returncode == 0
    said = dict(
        line.split(": ", 1) for line in result.stdout.splitlines() if line.startswith(("Page", "Table", "Model", "Next"))
    )
    places = [workspace.folder / said[name].strip() for name in ("Page", "Table", "Model")]
    assert [place.name for place in places] == ["index.html", "leaderboard.csv", "head"]
    assert all(place.exists() for place in places)
    assert list(places[2].glob("*.safetensors"))
    _, command, entry, *_ = shlex.split(said["Next"])
    assert (command, (workspace.folder / entry).is_file()) == ("show", True)
    assert json.loads((workspace.folder / entry).read_text())["recipe"] == places[2].parent.name
    entries = {path: when for path, when in before.items() if path.parent.name == "entries"}
    assert entries == {path: path.stat().st_mtime_ns for path in entries}
    assert studies == {path: path.read_bytes() for path in studies}


def test_more_trials_are_added_to_the_study_in_another_protocol(copy_of_small_run, small_flags):
    workspace = copy_of_small_run
    before = len(list(workspace.folder.glob("leaderboard/studies/*.journal")))
    flags = (*small_flags, "--no-controls", "--workers", 0)
    assert workspace.call_here("run", *flags, "--trials", 5, "--json").returncode == 0
    journals = list(workspace.folder.glob("leaderboard/studies/*.journal"))
    studies = [optuna.load_study(study_name=None, storage=optuna_storage(path)) for path in journals]
    assert len(studies) == before
    assert sorted({len(study.trials) for study in studies}) == [3, 5]
    numbers = [sorted(trial.user_attrs["number"] for trial in study.trials) for study in studies]
    assert all(of_study == list(range(len(of_study))) for of_study in numbers)
    assert len(list(workspace.folder.glob("leaderboard/*/protocol.json"))) == 2
    rows = json.loads(workspace.call_here("leaderboard", "--format", "json").stdout)
    for protocol in {row["protocol"] for row in rows}:  # each is ranked by itself
        mine = [row for row in rows if row["protocol"] == protocol]
        assert mine[0]["rank"] == 1
        np.testing.assert_allclose(sum(row["p_first"] for row in mine), 1)


def journal(workspace, study):
    return workspace.folder / "leaderboard" / "studies" / f"{study[:16]}.journal"


def optuna_storage(path):
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))


@pytest.mark.slow
def test_an_interrupted_run_exits_with_130_and_can_be_resumed(workspace, run_here, write_images):
    write_images("images", 200, 220)
    few = ("--data", "images", "--image-size", 32, "--no-controls", "--augmentation", "none", "--epochs", 2, "--offline")
    flags = (*few, "--backbone", "control-intensity", "--imbalance", "none", "--imbalance", "smote", "--trials", 40)
    process = subprocess.Popen(
        **workspace.command("run", *flags, "--workers", 1), stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    for line in process.stderr:
        if ": complete" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, talk = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "run the same command again to resume" in talk
    finished = workspace.entries()
    assert finished
    assert {entry["status"] for entry in finished.values()} == {"complete"}
    assert run_here("run", *flags, "--workers", 0).returncode == 0
    assert len(workspace.entries()) == 2
    assert {name: workspace.entries()[name] for name in finished} == finished


def test_the_engine_can_search_the_threshold(run_here, write_images, workspace):
    write_images("images", 200, 220)
    flags = ("--data", "images", "--image-size", 32, "--backbone", "control-intensity", "--no-controls", "--offline")
    fixed = ("--augmentation", "none", "--imbalance", "none", "--trials", 3, "--epochs", 2, "--workers", 0)
    assert run_here("run", *flags, *fixed, "--threshold", "search", "--metric", "f1").returncode == 0
    (path,) = workspace.folder.glob("leaderboard/studies/*.journal")
    trials = optuna.load_study(study_name=None, storage=optuna_storage(path)).trials
    assert len({trial.params["threshold"] for trial in trials}) == 3
    assert all(not trial.distributions["threshold"].single() for trial in trials)
    (entry,) = workspace.entries().values()
    assert entry["folds"][0]["validation"]["f1"] == max(trial.value for trial in trials)


def test_settings_come_from_file_and_environment_too(run_here, write_images, workspace):
    write_images("images", 200, 220)
    (workspace.folder / "cxrbench.toml").write_text(
        'data = "images"\nimage-size = 32\nbackbone = "control-intensity"\ncontrols = false\ntrials = 7\n'
    )
    result = run_here(
        *("run", "--augmentation", "none", "--json"),
        **{"CXRBENCH_IMBALANCE": "none focal", "CXRBENCH_TRIALS": "1", "CXRBENCH_WORKERS": "0", "CXRBENCH_OFFLINE": "1"},
    )
    assert result.returncode == 0, result.stderr
    rows = [row for row in json.loads(result.stdout) if row["kind"] == "recipe"]
    assert sorted(row["imbalance"] for row in rows) == ["focal", "none"]
    assert {row["backbone"] for row in rows} == {"control-intensity"}
    assert {row["trials"] for row in rows} == {1}
