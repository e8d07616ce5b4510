"""Entries whose numbers cannot be true are refused, with the file and the number."""

from __future__ import annotations

import json
import re

import pytest

from cxrbench.errors import CxrbenchError
from cxrbench.leaderboard.board import read_board
from cxrbench.leaderboard.store.entry import DatasetFacts, PartCounts
from cxrbench.leaderboard.store.entry_files import read_entry, write_entry
from cxrbench.storage.files import write_json


@pytest.fixture(scope="module")
def stored(compete, make_protocol):
    """Return an entry of three folds and two seeds as it lies on disk."""
    return compete(protocol=make_protocol(folds=3, seeds=2)).entry.model_dump(mode="json")


@pytest.fixture
def changed(stored, tmp_path):
    """Write the entry down with a change made by hand; return its path."""

    def write(change):
        entry = json.loads(json.dumps(stored))
        change(entry)
        write_json(tmp_path / "entries" / "texture.json", entry)
        return tmp_path / "entries" / "texture.json"

    return write


def head(entry, fold=1, seed=1):
    return entry["folds"][fold]["heads"][seed]


def more(metric, by=0.01):
    def change(entry):
        entry["metrics"][metric] += by

    return change


def better_head(metric):
    def change(entry):
        head(entry)["metrics"][metric] += 0.01

    return change


def a_miss_less(entry):
    head(entry)["confusion"]["tp"] += 1
    head(entry)["confusion"]["fn"] -= 1


def an_image_more(entry):
    head(entry)["confusion"]["tn"] += 1


def narrow(entry):
    entry["intervals"]["auc"] = [entry["metrics"]["auc"] + 0.001, 1.0]


def impossible_auc(entry):
    head(entry)["metrics"]["auc"] = 0.001


def unheard_of(entry):
    entry["metrics"]["charm"] = 0.5


def a_fold_less(entry):
    entry["folds"].pop()


def a_fold_twice(entry):
    entry["folds"][2] = entry["folds"][1]


def a_seed_less(entry):
    entry["folds"][0]["heads"].pop()


def no_heads(entry):
    entry["folds"] = []


def no_images(entry):
    entry["dataset"] = None


def other_images(entry):
    entry["dataset"]["fingerprint"] = "e" * 64


def beyond_one(entry):
    entry["metrics"]["ppv"] = 12.0


def beyond_one_on_validation(entry):
    entry["folds"][2]["validation"]["auc"] = 7.0


def a_negative_count(entry):
    confusion = head(entry)["confusion"]
    confusion.update(tp=confusion["tp"] + confusion["fn"] + 1, fn=-1)


def of_trials(**columns):
    def change(entry):
        entry["folds"][1]["history"].update(columns)

    return change


def other_params(entry):
    entry["folds"][1]["params"]["dropout"] = 0.25


def another_trial_selected(entry):
    entry["folds"][1]["selected_trial"] = 2


def a_trial_more_counted(entry):
    entry["folds"][1]["trials"]["pruned"] = 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (more("accuracy"), r"accuracy 0\.\d+ is not the mean over its folds and seeds"),
        (more("auc", 1e-6), r"auc 0\.\d+ is not the mean"),
        (more("brier", -0.01), r"brier 0\.\d+ is not the mean"),
        (better_head("accuracy"), r"fold 1, seed 1: accuracy is 0\.\d+, but \d+ TP, \d+ FP, \d+ FN and \d+ TN make 0\.\d+"),
        (better_head("specificity"), r"fold 1, seed 1: specificity is 0\.\d+, but"),
        (a_miss_less, r"fold 1, seed 1: \w+ is 0\.\d+, but \d+ TP"),
        (
            an_image_more,
            r"fold 1, seed 1: its confusion matrix has \d+ positive and \d+ negative images, but",
        ),
        (impossible_auc, r"fold 1, seed 1: auc is 0\.001, but no ROC curve"),
        (narrow, r"auc 0\.\d+ lies outside its interval 0\.\d+ to 1$"),
        (unheard_of, r"charm 0\.5 is not the mean"),
        (a_fold_less, r"it has results of the folds \[0, 1\] .* not each of 3 folds once"),
        (a_fold_twice, r"it has results of the folds \[0, 1, 1\]"),
        (a_seed_less, r"fold 0 has the seeds \[0\], expected \[0, 1\]"),
        (no_heads, r"the results of its folds and heads are missing"),
        (no_images, r"its dataset is missing"),
        (other_images, r"or is not that of its protocol"),
        (beyond_one, r"ppv 12 is not in 0\.\.1"),
        (beyond_one_on_validation, r"auc 7 is not in 0\.\.1"),
        (of_trials(values=[0.875]), r"fold 1: its trials do not have one value in each column"),
        (of_trials(params={"dropout": [0.5]}), r"fold 1: its trials do not have one value in each column"),
        (of_trials(states=[]), r"fold 1: its trials do not have one value in each column"),
        (of_trials(states=["complete"] * 3), r"fold 1: its trials are {'complete': 3}, but it counts {'complete': 1, 'pruned'"),
        (a_trial_more_counted, r"fold 1: its trials are {.*'pruned': 1.*}, but it counts {.*'pruned': 2"),
        (of_trials(values=[0.875, 0.5, None]), r"fold 1: trial 1 is pruned and has the value 0\.5"),
        (of_trials(values=[None, None, None]), r"fold 1: trial 0 is complete and has the value None"),
        (of_trials(values=[1.5, None, None]), r"fold 1: trial 0 is complete and has the value 1\.5"),
        (of_trials(remarks=[{"number": 3}]), r"fold 1: it has remarks of trials that it does not have"),
        (of_trials(remarks=[{"number": 1}] * 2), r"fold 1: it has remarks of trials .* or two of one trial"),
        (another_trial_selected, r"fold 1: its selected trial, 2, is not one of its complete trials"),
        (other_params, r"fold 1: its parameters are not those of its selected trial, 0"),
        (a_negative_count, r"fold 1, seed 1: its confusion matrix has a negative count"),
    ],
)
def test_a_number_changed_by_hand_is_refused_by_file_and_number(changed, change, words):
    path = changed(change)
    with pytest.raises(CxrbenchError, match=words) as caught:
        read_entry(path)
    assert str(caught.value).startswith(f"{path} is refused: ")


def test_an_entry_that_nobody_changed_is_read(changed, stored):
    assert read_entry(changed(lambda entry: None)).model_dump(mode="json") == stored


def test_what_is_not_complete_has_no_numbers_to_refuse(changed):
    def fail(entry):
        entry.update(status="failed", reason="no", metrics={"accuracy": 5.0})

    assert read_entry(changed(fail)).status == "failed"


def test_an_entry_is_held_against_its_own_stored_predictions(folder, compete):
    folder.write_protocol()
    competitor = compete("vgg16")
    path = competitor.write(folder)
    read_board(folder.path)
    entry = json.loads(path.read_text(encoding="utf-8"))
    (fold,) = entry["folds"]
    confusion = fold["heads"][0]["confusion"]
    positives, negatives = confusion["tp"] + confusion["fn"], confusion["fp"] + confusion["tn"]
    fold["heads"][0]["confusion"] = {"tp": positives, "fp": 0, "fn": 0, "tn": negatives}
    perfect = {name: 0.0 if name in {"brier", "ece"} else 1.0 for name in entry["metrics"]}
    fold["heads"][0]["metrics"] = entry["metrics"] = perfect
    entry["intervals"] = {name: [0.0, 1.0] for name in perfect}
    write_json(path, entry)
    assert read_entry(path).metrics["accuracy"] == 1  # all of its numbers agree with each other
    with pytest.raises(CxrbenchError, match=r"vgg16\+none\+none is refused: fold 0, seed 0: \S+ is [01], but"):
        read_board(folder.path)


def test_a_board_with_a_refused_entry_is_not_shown(folder, compete):
    folder.write_protocol()
    path = compete("vgg16").write(folder)
    stored = json.loads(path.read_text())
    stored["metrics"]["accuracy"] += 0.01
    write_json(path, stored)
    with pytest.raises(CxrbenchError, match=rf"{re.escape(str(path))} is refused: accuracy"):
        read_board(folder.path)


COUNTS = {"train_negative": 939, "train_positive": 2711, "validation_negative": 201, "validation_positive": 581}


@pytest.mark.parametrize("digits", [3, 17])
def test_a_row_of_metrics_without_heads_is_refused(make_entry, tmp_path, digits):
    """As in a table of a paper: nothing shows that it is true, though a confusion matrix has these metrics."""
    tp, fp, fn, tn = 560, 40, 21, 161
    metrics = {"accuracy": (tp + tn) / 782, "recall": tp / (tp + fn), "precision": tp / (tp + fp)}
    part = PartCounts(**COUNTS, test_negative=fp + tn, test_positive=tp + fn)
    facts = DatasetFacts(name="p", fingerprint="f" * 64, negative=1341, positive=3875, patients=1, skipped=0, folds=(part,))
    path = tmp_path / "published.json"
    rounded = {name: round(value, digits) for name, value in metrics.items()}
    write_entry(path, make_entry("x", 0.5, metrics=rounded, folds=(), dataset=facts))
    with pytest.raises(CxrbenchError, match="the results of its folds and heads are missing") as caught:
        read_entry(path)
    assert str(caught.value).startswith(f"{path} is refused: ")
