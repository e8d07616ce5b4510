"""`--calibrate temperature`: scores nearer to probabilities, with every decision and every order as without it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from sklearn.metrics import log_loss

from cxrbench.benchmark.model.choice import HeadChoice
from cxrbench.benchmark.model.kept import load_kept
from cxrbench.data.source import find_dataset, read_images
from cxrbench.evaluation.calibration import at_temperature, fit_temperature
from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.evaluation.predictions import MEAN_OF_SEEDS
from cxrbench.evaluation.versions import choose_pooled_threshold
from cxrbench.leaderboard.board import read_boards

RECIPE = "random-convnet+none+none"
UNMOVED = ("auc", "pr-auc", "accuracy", "recall", "precision", "specificity", "f1")


@pytest.fixture(scope="module")
def calibrated_run(kept_run, kept_run_command, tmp_path_factory, make_workspace):
    """Run the kept run again in a copy, calibrated; return the workspace and the process."""
    folder = tmp_path_factory.mktemp("calibrated") / "run"
    shutil.copytree(kept_run.folder, folder)
    workspace = make_workspace(folder)
    result = workspace.call_here(*kept_run_command, "--calibrate", "temperature")
    assert result.returncode == 0, result.stderr
    return workspace, result


@pytest.fixture(scope="module")
def boards(calibrated_run):
    """Return the board of each value of the setting."""
    return {board.protocol.calibrate: board for board in read_boards(calibrated_run[0].folder / "leaderboard")}


@pytest.fixture(scope="module")
def entries(boards):
    return {of: next(entry for entry in board.entries if entry.name == RECIPE) for of, board in boards.items()}


@pytest.fixture(scope="module")
def tables(boards, entries):
    """Return the stored predictions by subset, fold and seed, of each value of the setting."""
    return {
        of: {(one.subset, one.fold, one.seed): one for one in read_predictions(boards[of].folder / entry.predictions)}
        for of, entry in entries.items()
    }


@pytest.fixture(scope="module")
def stored_of(entries, tables):
    """Return a function that takes a fold and a seed and returns the calibrated test scores and the result."""
    return lambda place: (tables["temperature"]["test", *place], results(entries["temperature"])[place])


@pytest.fixture(scope="module")
def load(boards, surroundings):
    path = boards["temperature"].folder / "entries" / f"{RECIPE}.json"
    return lambda **choice: load_kept(path, HeadChoice(**choice), surroundings)


@pytest.fixture(scope="module")
def pixels_of(host):
    images = read_images(find_dataset("phantom:images=640,size=32", host), fetch=None)
    return lambda model, keys: np.stack([model.classifier.read(images.read(key))[0] for key in keys])


def results(entry):
    """Return the result of each head and of the mean of the seeds, by fold and seed."""
    heads = {(fold.fold, head.seed): head for fold in entry.folds for head in fold.heads}
    return heads | {(fold.fold, MEAN_OF_SEEDS): fold.mean for fold in entry.folds}


def test_no_decision_and_no_order_moves(entries):
    plain, calibrated = (results(entries[of]) for of in ("none", "temperature"))
    assert len(plain) == 6
    for where, head in plain.items():
        twin = calibrated[where]
        assert head.temperature is None
        assert "temperature" not in head.model_dump()
        assert twin.temperature not in {None, 1}
        assert twin.confusion == head.confusion
        assert {name: twin.metrics[name] for name in UNMOVED} == pytest.approx({name: head.metrics[name] for name in UNMOVED})
        assert twin.selection != head.selection
        assert twin.metrics["brier"] != head.metrics["brier"]
    before, now = (entries[of].folds for of in ("none", "temperature"))
    assert [fold.history.params for fold in now] == [fold.history.params for fold in before]
    assert [fold.study for fold in now] == [fold.study for fold in before]


def test_each_head_has_the_temperature_of_its_own_validation_scores(entries, tables):
    plain, calibrated = tables["none"], tables["temperature"]
    for (fold, seed), head in results(entries["temperature"]).items():
        raw = plain["validation", fold, seed]
        assert head.temperature == fit_temperature(raw.labels, raw.scores)
        for subset in ("validation", "test"):
            expected = at_temperature(plain[subset, fold, seed].scores, head.temperature)
            np.testing.assert_array_equal(calibrated[subset, fold, seed].scores, expected)


def test_validation_scores_are_nearer_to_probabilities(tables):
    plain, calibrated = (
        [one for place, one in tables[of].items() if place[0] == "validation"] for of in ("none", "temperature")
    )
    for before, now in zip(plain, calibrated, strict=True):
        assert log_loss(now.labels, now.scores) < log_loss(before.labels, before.scores)
    brier = [np.mean([np.mean((one.scores - one.labels) ** 2) for one in heads]) for heads in (plain, calibrated)]
    assert brier[1] < brier[0]


@pytest.mark.parametrize(("fold", "seed"), [(1, None), (0, 1)])
def test_a_model_scores_as_stored(load, stored_of, pixels_of, fold, seed):
    model, place = load(fold=fold, seed=seed), (fold, MEAN_OF_SEEDS if seed is None else seed)
    stored, result = stored_of(place)
    assert model.classifier.scores(pixels_of(model, stored.keys)) == pytest.approx(stored.scores, abs=1e-6)
    assert model.record.threshold == result.threshold
    assert model.record.threshold_rule.endswith(f"validation images, at temperature {result.temperature:.4g}")
    assert model.record.metrics == pytest.approx(result.metrics)


def test_a_model_of_all_folds_is_the_mean_of_theirs(load, tables, pixels_of):
    model, means = load(fold=None), [load(fold=fold, seed=None) for fold in (0, 1)]
    pixels = pixels_of(model, tables["temperature"]["test", 0, 0].keys[:20])
    expected = np.mean([one.classifier.logits(pixels) for one in means], axis=0)
    assert model.classifier.logits(pixels) == pytest.approx(expected, abs=1e-4)
    pooled = [tables["temperature"]["validation", fold, MEAN_OF_SEEDS] for fold in (0, 1)]
    labels, scores = (np.concatenate([getattr(one, name) for one in pooled]) for name in ("labels", "scores"))
    assert model.record.threshold == choose_pooled_threshold("max-f1", labels, scores[None], None)


def test_no_trial_is_trained_again(calibrated_run):
    assert f"{RECIPE}, fold 1: resuming: 2 of 2 trials are done" in calibrated_run[1].stderr


def test_the_temperature_is_shown_with_the_threshold(calibrated_run, boards, entries):
    path = boards["temperature"].folder / "entries" / f"{RECIPE}.json"
    shown = calibrated_run[0].call_here("show", path).stdout
    head = entries["temperature"].folds[0].heads[1]
    assert f"threshold {head.threshold:.4g} at temperature {head.temperature:.4g}; tp " in shown
    assert "scores calibrated by temperature" in (boards["temperature"].folder / "LEADERBOARD.md").read_text()
