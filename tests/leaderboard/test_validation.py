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


@pytest.fixture
def published(make_entry, tmp_path):
    """Write a row of a paper's table down: metrics alone, of one random test part."""

    def write(metrics, *, negative=201, positive=581):
        part = PartCounts(**COUNTS, test_negative=negative, test_positive=positive)
        facts = DatasetFacts(name="p", fingerprint="f" * 64, negative=1341, positive=3875, patients=1, skipped=0, folds=(part,))
        path = tmp_path / "published.json"
        write_entry(path, make_entry("x", 0.5, metrics=metrics, folds=(), dataset=facts))
        return path

    return write


@pytest.mark.parametrize(
    ("metrics", "number"),
    [
        ({"accuracy": 0.764, "precision": 0.2619}, "accuracy 0.764"),
        ({"accuracy": 0.636, "precision": 0.2576}, "0.636"),
        ({"accuracy": 0.928, "recall": 0.966, "precision": 0.927}, "accuracy 0.928"),
    ],
    ids=["InceptionV3", "VGG16", "ResNet50"],
)
def test_the_table_of_the_original_report_is_refused(published, metrics, number):
    path = published(metrics)
    with pytest.raises(CxrbenchError, match="no confusion matrix of 782 test images, 581 of them positive, has") as caught:
        read_entry(path)
    assert str(caught.value).startswith(f"{path} is refused: ")
    assert number in str(caught.value)


def test_a_plausible_row_without_evidence_is_refused(published):
    tp, fp, fn, tn = 560, 40, 21, 161
    metrics = {"accuracy": (tp + tn) / 782, "recall": tp / (tp + fn), "precision": tp / (tp + fp)}
    for possible in (metrics, {name: round(value, 3) for name, value in metrics.items()}):
        with pytest.raises(CxrbenchError, match="the results of its folds and heads are missing"):
            read_entry(published(possible))
