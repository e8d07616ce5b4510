"""A fine-tuned recipe is a row of its own beside that of its heads: searched, frozen, kept and used like it."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from cxrbench.benchmark.model.choice import HeadChoice
from cxrbench.benchmark.model.kept import load_kept
from cxrbench.config.recipe import stem_of
from cxrbench.data.source import find_dataset, read_images
from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.evaluation.predictions import means_of_seeds, of_subset
from cxrbench.leaderboard.board import read_boards
from cxrbench.models.fine_tuning.network_file import read_network_weights, write_network_weights

MOBILENET = "mobilenet:alpha=0.25,weights=none"
RECIPE = HEAD = f"{MOBILENET}+none+none"
FINE_TUNED = f"{RECIPE}@fine-tuned"
RUN = (
    *("run", "--data", "phantom:images=640,size=32", "--image-size", 32, "--split", "grouped", "--offline", "--no-controls"),
    *("--backbone", MOBILENET, "--backbone", "texture", "--augmentation", "none", "--imbalance", "none"),
    *("--trials", 2, "--epochs", 2, "--workers", 0),
)
STAGE = ("--fine-tune", 1, "--fine-tune-trials", 2, "--fine-tune-epochs", 2)


@pytest.fixture(scope="session")
def fine_tuned_run(run_once):
    """Fine-tune the one network among two recipes on small phantoms, once for all tests; return workspace and process."""
    return run_once("fine-tuned", *RUN, *STAGE)


@pytest.fixture(scope="module")
def board(fine_tuned_run):
    (board,) = read_boards(fine_tuned_run[0].folder / "leaderboard")
    return board


@pytest.fixture(scope="module")
def rows(board):
    return {row.name: row for row in board.rows()}


@pytest.fixture
def copy_of_run(fine_tuned_run, tmp_path, make_workspace):
    """Return a copy of the finished run."""
    shutil.copytree(fine_tuned_run[0].folder, tmp_path / "again")
    return make_workspace(tmp_path / "again")


@pytest.fixture
def run_again(copy_of_run):
    """Return a function that runs the command in the copy."""
    return lambda *flags: copy_of_run.call_here(*RUN, *flags)


def test_the_network_is_a_row_beside_that_of_its_heads(rows):
    tuned, head = rows[FINE_TUNED].entry, rows[HEAD].entry
    assert (tuned.stage, tuned.budget, tuned.trials) == ("fine-tuned", {"trials": 2, "epochs": 2}, {"complete": 2})
    assert (head.stage, head.budget, head.recipe) == ("head", {}, tuned.recipe)
    assert rows[FINE_TUNED].rank
    assert tuned.metrics["brier"] != head.metrics["brier"]
    assert set(tuned.folds[0].params) == {"learning_rate", "layer_decay", "dropout", "weight_decay"}


def test_a_backbone_without_gradients_is_named(fine_tuned_run, rows):
    assert "texture cannot be fine-tuned: the backbone is not a Keras model" in fine_tuned_run[1].stderr
    assert [name for name in rows if "@" in name] == [FINE_TUNED]


def test_it_is_never_worse_on_validation_than_its_head(rows):
    losses = rows[FINE_TUNED].entry.folds[0].heads[0].curves.validation_loss
    assert len(losses) == 3
    assert min(losses) <= losses[0]


def test_the_tables_name_the_stage(fine_tuned_run, board):
    with (board.folder / "leaderboard.csv").open() as file:
        stages = {(row["recipe"], row["stage"]) for row in csv.DictReader(file)}
    assert {(RECIPE, "head"), (RECIPE, "fine-tuned")} < stages
    assert " fine-tuned |" in (board.folder / "LEADERBOARD.md").read_text()
    assert "fine-tuned" in fine_tuned_run[1].stdout


@pytest.fixture
def scored_and_stored(surroundings, host):
    """Return a function that takes a board and returns its network, its scores of the test images, and the stored ones."""

    def score(board):
        (row,) = (row for row in board.rows() if row.name == FINE_TUNED)
        model = load_kept(board.folder / "entries" / f"{stem_of(FINE_TUNED)}.json", HeadChoice(), surroundings)
        table = read_predictions(board.folder / row.entry.predictions)
        stored = means_of_seeds(table, "test")[0] if board.protocol.seeds > 1 else of_subset(table, "test")[0, 0]
        images = read_images(find_dataset("phantom:images=640,size=32", host), fetch=None)
        pixels = np.stack([model.classifier.read(images.read(key))[0] for key in stored.keys])
        return model, model.classifier.scores(pixels), stored.scores

    return score


def test_its_model_scores_as_the_run_did(board, scored_and_stored):
    model, scores, stored = scored_and_stored(board)
    assert scores == pytest.approx(stored, abs=1e-5)
    assert model.record.stage == "fine-tuned"


def test_its_calibrated_model_scores_as_the_run_did(run_again, copy_of_run, rows, scored_and_stored):
    result = run_again(*STAGE, "--calibrate", "temperature")
    assert result.returncode == 0, result.stderr
    boards = read_boards(copy_of_run.folder / "leaderboard")
    (board,) = (board for board in boards if board.protocol.calibrate == "temperature")
    model, scores, stored = scored_and_stored(board)
    assert scores == pytest.approx(stored, abs=1e-5)
    (before,), (now,) = (entry.folds[0].heads for entry in (rows[FINE_TUNED].entry, *board.entries) if entry.name == FINE_TUNED)
    assert now.temperature not in {None, 1}
    assert (now.model, now.confusion) == (before.model, before.confusion)
    assert model.record.threshold == now.threshold != before.threshold


def test_it_scores_an_external_test_set(run_again, copy_of_run):
    result = run_again(*STAGE, "--external", "ward=phantom:images=120,size=32,seed=1")
    assert result.returncode == 0, result.stderr
    (board,) = read_boards(copy_of_run.folder / "leaderboard")
    tuned, head = (board.external["ward"][name] for name in (FINE_TUNED, HEAD))
    assert tuned.metrics["brier"] != head.metrics["brier"]
    assert tuned.negative + tuned.positive == 120


@pytest.mark.slow
def test_networks_of_seeds_and_folds_are_one_model(run_again, copy_of_run, scored_and_stored):
    result = run_again(*STAGE, "--seeds", 2, "--folds", 2)
    assert result.returncode == 0, result.stderr
    (board,) = (one for one in read_boards(copy_of_run.folder / "leaderboard") if one.protocol.seeds == 2)
    model, scores, stored = scored_and_stored(board)
    assert scores == pytest.approx(stored, abs=1e-5)
    assert len(model.record.heads.models) == 2
    entry = board.folder / "entries" / f"{stem_of(FINE_TUNED)}.json"
    for form in ("keras", "plugin"):  # an export loads what it wrote, and compares the scores with those of the row
        exported = copy_of_run.call_here("export", entry, "--all-folds", "--to", form, "--format", form)
        assert exported.returncode == 0, exported.stderr
        assert "the networks of all folds and seeds" in exported.stderr
        card = (copy_of_run.folder / form / "README.md").read_text(encoding="utf-8")
        assert "the mean of the logits of 4 networks (folds 0, 1; seeds 0, 1)" in card
    before, row = copy_of_run.files(f"{board.folder.name}/predictions/*.npz"), json.loads(entry.read_text())
    result = run_again(*STAGE, "--seeds", 2, "--folds", 2, "--robustness", "standard")
    assert result.returncode == 0, result.stderr
    assert copy_of_run.files(f"{board.folder.name}/predictions/*.npz") == before
    again = json.loads(entry.read_text())
    assert [fold["heads"] for fold in again["folds"]] == [fold["heads"] for fold in row["folds"]]
    assert again["seconds"]["elapsed"] > row["seconds"]["elapsed"]


def test_its_epochs_leave_the_cache_with_the_result(fine_tuned_run):
    assert list((fine_tuned_run[0].folder / "home" / "training").glob("*")) == []


def test_a_finished_run_computes_nothing_again(run_again, copy_of_run, fine_tuned_run):
    before = fine_tuned_run[0].files("*/entries/*.json")
    result = run_again(*STAGE)
    assert result.returncode == 0
    assert FINE_TUNED not in result.stderr
    assert copy_of_run.files("*/entries/*.json") == before


def test_a_cleared_cache_costs_time_alone(run_again, copy_of_run, fine_tuned_run):
    folder, stem = copy_of_run.folder, stem_of(FINE_TUNED)
    before = fine_tuned_run[0].files(f"*/predictions/{stem}.npz")
    shutil.rmtree(folder / "home")
    for path in folder.glob(f"leaderboard/*/*/{stem}.*"):
        path.unlink()
    result = run_again(*STAGE)
    assert result.returncode == 0, result.stderr
    assert copy_of_run.files(f"*/predictions/{stem}.npz") == before


@pytest.fixture
def upper_half(run_again, copy_of_run):
    """Fine-tune the upper half in the copy, as if nothing had been fine-tuned there, and return the board and the entry."""
    for path in copy_of_run.folder.glob(f"leaderboard/*/*/{stem_of(FINE_TUNED)}.*"):
        path.unlink()
    result = run_again(*STAGE, "--fine-tune-from", "auto")
    assert result.returncode == 0, result.stderr
    (board,) = read_boards(copy_of_run.folder / "leaderboard")
    return board, next(entry for entry in board.entries if entry.name == FINE_TUNED)


def test_the_upper_half_learns_and_the_lower_one_stays(upper_half, rows, scored_and_stored, surroundings):
    board, entry = upper_half
    model, scores, stored = scored_and_stored(board)
    assert scores == pytest.approx(stored, abs=1e-5)
    assert entry.learns_from == "auto"
    before = rows[FINE_TUNED].entry
    assert entry.parameters == before.parameters == rows[HEAD].entry.parameters
    assert entry.study != before.study
    head = load_kept(board.folder / "entries" / f"{stem_of(HEAD)}.json", HeadChoice(), surroundings)
    pretrained, trained = (one.classifier.backbone.get_weights() for one in (head, model))
    unchanged = [np.array_equal(*pair) for pair in zip(pretrained, trained, strict=True)]
    assert unchanged[0]
    assert not all(unchanged)


def test_damaged_maps_are_computed_again(upper_half, run_again, copy_of_run, fine_tuned_run):
    _, entry = upper_half
    before, now = (set((one.folder / "home" / "features").iterdir()) for one in (fine_tuned_run[0], copy_of_run))
    (maps,) = (folder for folder in now if folder.name not in {one.name for one in before})
    with max(maps.iterdir(), key=lambda file: file.stat().st_size).open("r+b") as file:
        file.write(bytes(100))
    for path in copy_of_run.folder.glob(f"leaderboard/*/*/{stem_of(FINE_TUNED)}.*"):
        path.unlink()
    shutil.rmtree(copy_of_run.folder / "home" / "training", ignore_errors=True)
    result = run_again(*STAGE, "--fine-tune-from", "auto")
    assert "1 of 2 parts were damaged on disk and are computed again" in result.stderr
    (board,) = read_boards(copy_of_run.folder / "leaderboard")
    (again,) = (one for one in board.entries if one.name == FINE_TUNED)
    assert again.metrics == entry.metrics


@pytest.mark.parametrize("flags", [(), ("--fresh",)], ids=["first", "fresh"])
def test_a_layer_that_the_network_lacks_is_refused_at_once(workspace, flags):
    result = workspace.call_here(*RUN, *STAGE, "--fine-tune-from", "block9", *flags)
    assert result.returncode == 2
    assert "cannot be cut: it has no layer 'block9' to cut after. Layers to cut after: " in result.stderr
    assert "conv_pw_1_relu" in result.stderr
    assert not list(workspace.folder.glob("leaderboard/*"))


def test_a_finished_network_is_scored_anew_and_not_trained_anew(run_again, copy_of_run):
    (entry_file,) = copy_of_run.files(f"*/entries/{stem_of(FINE_TUNED)}.json")
    path = copy_of_run.folder / entry_file
    entry = json.loads(path.read_text())
    (head,) = entry["folds"][0]["heads"]
    weights = next(path.parents[1].glob(f"models/{stem_of(HEAD)}/fine-tuned/*.safetensors"))
    network = read_network_weights(weights, head["model"], within=path.parents[1])
    without_top = replace(network, head=(*network.head[:2], *(np.zeros_like(one) for one in network.head[2:])))
    head["model"] = write_network_weights(weights, without_top)
    path.write_text(json.dumps(entry))
    result = run_again(*STAGE, "--robustness", "standard")
    assert result.returncode == 0, result.stderr
    (again,) = read_boards(copy_of_run.folder / "leaderboard")
    assert next(row for row in again.rows() if row.name == FINE_TUNED)["auc_shifted"] == 0.5


def test_random_weights_on_a_finished_board_are_scored_under_shifts_too(run_again, copy_of_run):
    shifts = ("--robustness", "standard")
    assert run_again(*shifts).returncode == 0
    stage = (*shifts, "--from-scratch", RECIPE, "--from-scratch-trials", 1, "--from-scratch-epochs", 1)
    result = run_again(*stage)
    assert result.returncode == 0, result.stderr
    (board,) = read_boards(copy_of_run.folder / "leaderboard")
    rows = {row.name: row for row in board.rows()}
    assert 0 < rows[f"{RECIPE}@from-scratch"]["auc_shifted"] < 1
    assert not list((copy_of_run.folder / "home" / "training").iterdir())
    assert "from-scratch" not in run_again(*stage).stderr


def test_a_run_without_the_stage_keeps_the_row(run_again):
    result = run_again()
    assert "fine-tuned" in result.stdout


def test_other_trials_are_refused_in_words(run_again):
    result = run_again("--fine-tune", 1, "--fine-tune-trials", 3, "--fine-tune-epochs", 2)
    assert result.returncode == 1
    assert "fresh" in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--fine-tune", "0"), "from 1"),
        (("--fine-tune", "mobilenet+none+none"), "unknown recipe to fine-tune 'mobilenet+none+none'"),
        (("--fine-tune", "1", "--no-models"), "leave --no-models out"),
    ],
    ids=["zero", "unknown", "no-models"],
)
def test_wishes_that_cannot_be_met_are_refused_at_once(workspace, flags, said):
    result = workspace.call_here(*RUN, *flags)
    assert result.returncode == 2
    assert said in result.stderr


def test_a_network_whose_weights_cannot_be_had_is_a_row(workspace):
    result = workspace.call_here(*RUN[:-4], "--trials", 1, "--epochs", 1, "--workers", 0, "--from-scratch", "chexnet+none+none")
    assert result.returncode == 1
    assert "chexnet+none+none@from-scratch: unavailable" in result.stderr
    assert "AssertionError" not in result.stderr + result.stdout
