"""A run with folds, seeds, a further threshold and an external test set: every number follows from the stored files."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import optuna
import pytest
from sklearn import metrics as sklearn_metrics

from cxrbench.evaluation.prediction_table import read_predictions

FOLDS, SEEDS, TRIALS = range(3), range(2), 2
RUN = (
    *(
        "--data",
        "phantom:images=480,size=32",
        "--image-size",
        32,
        "--epochs",
        2,
        "--trials",
        TRIALS,
        "--workers",
        0,
        "--offline",
    ),
    *("--backbone", "random-convnet", "--backbone", "control-thumbnail", "--no-controls"),
    *("--augmentation", "none", "--imbalance", "none", "--imbalance", "smote"),
    *("--folds", 3, "--seeds", 2, "--also-at", 0.7, "--external", "ward-2=phantom:images=60,size=32,seed=5"),
)
RATES = {
    "accuracy": sklearn_metrics.accuracy_score,
    "recall": sklearn_metrics.recall_score,
    "precision": lambda labels, called: sklearn_metrics.precision_score(labels, called, zero_division=0),
    "f1": lambda labels, called: sklearn_metrics.f1_score(labels, called, zero_division=0),
    "specificity": lambda labels, called: sklearn_metrics.recall_score(1 - labels, ~called),
}
CURVES = {
    "auc": sklearn_metrics.roc_auc_score,
    "brier": sklearn_metrics.brier_score_loss,
    "pr-auc": sklearn_metrics.average_precision_score,
}


def part(rows, name, fold, seed):
    """Return keys, patients, labels and scores of one head on one set."""
    head = (name, str(fold), str(seed))
    mine = [row for row in rows if (row["set"], row["fold"], row["seed"]) == head]
    keys, patients = ([row[column] for row in mine] for column in ("key", "patient"))
    return keys, patients, np.array([int(row["label"]) for row in mine]), np.array([float(row["score"]) for row in mine])


@pytest.fixture(scope="module")
def folded(make_workspace, tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("folded"))


@pytest.fixture(scope="module")
def rows(folded, tensorflow_ready):
    """Run two recipes and as many controls once, for all tests of the results; return the rows of the board."""
    result = folded.call_here("run", *RUN, "--json")
    assert result.returncode == 0, result.stderr
    return {row["recipe"]: row for row in json.loads(result.stdout)}


@pytest.fixture(scope="module")
def folder(folded, rows):
    return folded.protocol_folder()


@pytest.fixture(scope="module")
def entries(folded, rows):
    return folded.entries()


@pytest.fixture(scope="module")
def stored(folded, entries):
    """Return the predictions of each recipe."""
    return {recipe: folded.rows(entry["predictions"]) for recipe, entry in entries.items()}


def thresholds(entry):
    return {(fold["fold"], head["seed"]): head["threshold"] for fold in entry["folds"] for head in fold["heads"]}


def test_every_image_is_a_test_image_once_for_each_seed(stored):
    for recipe, predictions in stored.items():
        for seed in SEEDS:
            tested = Counter(key for fold in FOLDS for key in part(predictions, "test", fold, seed)[0])
            assert len(tested) == 480, recipe
            assert set(tested.values()) == {1}, recipe


def test_no_patient_is_in_training_and_test_or_two_test_folds(stored):
    predictions = next(iter(stored.values()))
    patient_of = {row["key"]: row["patient"] for row in predictions}
    assert len(set(patient_of.values())) < len(patient_of) == 480  # some have several images
    tested = [set(part(predictions, "test", fold, 0)[1]) for fold in FOLDS]
    assert not tested[0] & tested[1] | tested[1] & tested[2] | tested[0] & tested[2]
    for fold in FOLDS:
        validation, test = (set(part(predictions, name, fold, 0)[0]) for name in ("validation", "test"))
        assert len(validation) >= 50
        learnt = {patient_of[key] for key in patient_of.keys() - test}
        chosen_with = {patient_of[key] for key in validation}
        trained_on = {patient_of[key] for key in patient_of.keys() - test - validation}
        assert not learnt & tested[fold]
        assert not chosen_with & trained_on


def test_the_counts_of_each_part_match_the_stored_predictions(entries, stored):
    for entry in entries.values():
        for fold, counts in enumerate(entry["dataset"]["folds"]):
            held_out = [part(stored[entry["recipe"]], name, fold, 0)[2] for name in ("validation", "test")]
            found = [(counts[f"{name}_negative"], counts[f"{name}_positive"]) for name in ("validation", "test")]
            assert found == [(int(np.sum(labels == 0)), int(np.sum(labels == 1))) for labels in held_out]
            assert sum(counts.values()) == 480


def test_all_recipes_and_seeds_have_the_same_images(stored):
    expected = {
        (name, fold): part(stored["random-convnet+none+none"], name, fold, 0)[0]
        for name in ("validation", "test")
        for fold in FOLDS
    }
    for predictions in stored.values():
        for (name, fold), keys in expected.items():
            assert all(part(predictions, name, fold, seed)[0] == keys for seed in SEEDS)


def mean_over_folds(values):
    """Return the mean over folds of the mean over seeds of a value of each head."""
    assert set(values) == {(fold, seed) for fold in FOLDS for seed in SEEDS}
    return np.mean([np.mean([values[fold, seed] for seed in SEEDS]) for fold in FOLDS])


def test_the_headline_is_the_mean_over_folds_of_means_over_seeds(entries, stored, rows):
    for recipe, entry in entries.items():
        chosen = thresholds(entry)
        heads = {head: part(stored[recipe], "test", *head)[2:] for head in chosen}
        expected = {}
        for name, metric in RATES.items():
            expected[name] = {head: metric(labels, scores >= chosen[head]) for head, (labels, scores) in heads.items()}
            expected[f"{name}@0.7"] = {head: metric(labels, scores >= 0.7) for head, (labels, scores) in heads.items()}
        for name, metric in CURVES.items():
            expected[name] = {head: metric(labels, scores) for head, (labels, scores) in heads.items()}
        for name, values in expected.items():
            found = [entry["metrics"][name], rows[recipe][name]]
            np.testing.assert_allclose(found, mean_over_folds(values), err_msg=f"{recipe} {name}")


def test_each_heads_counts_and_metrics_match_its_predictions(entries, stored):
    for recipe, entry in entries.items():
        for fold in entry["folds"]:
            for head in fold["heads"]:
                _, _, labels, scores = part(stored[recipe], "test", fold["fold"], head["seed"])
                called = scores >= head["threshold"]
                tn, fp, fn, tp = sklearn_metrics.confusion_matrix(labels, called).ravel()
                assert head["confusion"] == {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
                np.testing.assert_allclose(head["metrics"]["accuracy"], (tp + tn) / len(labels))
                np.testing.assert_allclose(head["metrics"]["auc"], sklearn_metrics.roc_auc_score(labels, scores))


def test_the_spread_over_seeds_is_that_of_their_means_over_folds(entries, rows):
    for recipe, entry in entries.items():
        for name in ("accuracy", "recall", "precision", "f1", "auc"):
            of_seed = [np.mean([fold["heads"][seed]["metrics"][name] for fold in entry["folds"]]) for seed in SEEDS]
            np.testing.assert_allclose(rows[recipe][f"{name}_seed_sd"], np.std(of_seed, ddof=1), atol=1e-12)


def test_the_threshold_of_every_head_is_optimal_on_validation(entries, stored):
    for recipe in ("random-convnet+none+smote", "control-thumbnail+none+none"):
        for head, threshold in thresholds(entries[recipe]).items():
            _, _, labels, scores = part(stored[recipe], "validation", *head)
            called = {cut: scores >= cut for cut in np.unique(scores)}
            reached = {cut: 2 * labels[above].sum() / (above.sum() + labels.sum()) for cut, above in called.items()}  # F1
            best = max(reached.values())
            assert threshold == min(cut for cut, value in reached.items() if value > best - 1e-12), (recipe, head)


def test_each_fold_has_a_study_of_its_own_with_the_whole_budget(folder, entries, rows):
    studies = [fold["study"] for entry in entries.values() for fold in entry["folds"]]
    journals = {path.stem for path in folder.parent.glob("studies/*.journal")}
    assert {study[:16] for study in studies} == journals
    assert len(journals) == len(entries) * len(FOLDS)
    assert {rows[recipe]["trials"] for recipe in entries} == {TRIALS * len(FOLDS)}
    for entry in entries.values():
        for fold in entry["folds"]:
            assert fold["trials"] == {"complete": TRIALS}
            trials = trials_of(folder, fold)
            assert len(trials) == TRIALS
            assert fold["selected_trial"] in {trial.user_attrs["number"] for trial in trials}


def trials_of(folder, fold):
    path = folder.parent / "studies" / f"{fold['study'][:16]}.journal"
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    return optuna.load_study(study_name=None, storage=storage).trials


def test_seed_0_is_the_selected_trial_and_other_seeds_differ(folder, entries, stored):
    entry = entries["random-convnet+none+smote"]
    for fold in entry["folds"]:
        (selected,) = [trial for trial in trials_of(folder, fold) if trial.user_attrs["number"] == fold["selected_trial"]]
        values = [
            sklearn_metrics.roc_auc_score(*part(stored[entry["recipe"]], "validation", fold["fold"], seed)[2:])
            for seed in SEEDS
        ]
        np.testing.assert_allclose([values[0], fold["validation"]["auc"]], selected.value)
        assert abs(values[1] - values[0]) > 1e-9
        assert fold["heads"][0]["threshold"] == selected.params["threshold"]


def test_every_head_has_its_test_set_lock(folder, entries):
    paths = list((folder / "test_lock").glob("*.json"))
    assert {path.stem for path in paths} == {*entries, "majority-class"}
    for path in paths:
        scored_by = json.loads(path.read_text())["scored_by"]
        if path.stem == "majority-class":
            assert set(scored_by) == {f"fold {fold}, seed 0" for fold in FOLDS}
            continue
        heads = {
            f"fold {fold['fold']}, seed {head['seed']}": head["selection"]
            for fold in entries[path.stem]["folds"]
            for head in fold["heads"]
        }
        means = {f"fold {fold['fold']}, mean of the seeds": fold["mean"]["selection"] for fold in entries[path.stem]["folds"]}
        assert scored_by == heads | means
        assert len({*heads.values(), *means.values()}) == len(FOLDS) * (len(SEEDS) + 1)


def test_the_external_test_set_has_columns_and_files_of_its_own(folded, folder, entries, rows):
    external = folder / "external" / "ward-2"
    for recipe, entry in entries.items():
        result = json.loads((external / f"{recipe}.json").read_text())
        predictions = folded.rows(external / f"{recipe}.npz")
        assert {row["set"] for row in predictions} == {"external"}
        assert (result["negative"], result["positive"], result["dataset"]) == (15, 45, "phantom-synthetic")
        chosen = thresholds(entry)
        heads = {head: part(predictions, "external", *head) for head in chosen}
        assert {len(set(keys)) for keys, *_ in heads.values()} == {60}
        for name, metric in RATES.items():
            value = np.mean([metric(labels, scores >= chosen[head]) for head, (_, _, labels, scores) in heads.items()])
            np.testing.assert_allclose([result["metrics"][name], rows[recipe][f"external_ward-2_{name}"]], value)
        value = np.mean([sklearn_metrics.roc_auc_score(labels, scores) for _, _, labels, scores in heads.values()])
        np.testing.assert_allclose([result["metrics"]["auc"], rows[recipe]["external_ward-2_auc"]], value)
        low, high = (rows[recipe][f"external_ward-2_auc_{end}"] for end in ("low", "high"))
        assert low <= value <= high
        assert "external_ward-2_recall@0.7" in rows[recipe]


def test_the_external_test_set_is_not_part_of_the_entry(folder, entries, stored):
    assert not any("external" in name for entry in entries.values() for name in (*entry["metrics"], *entry["protocol"]))
    assert {row["set"] for predictions in stored.values() for row in predictions} == {"validation", "test"}
    assert "ward" not in (folder / "protocol.json").read_text()


def test_the_table_shows_folds_threshold_and_external_test_set(folder):
    text = (folder / "LEADERBOARD.md").read_text()
    assert "split grouped, 3 folds, 2 seeds, 2 trials per study" in text
    assert "At threshold 0.7:" in text
    assert "External test set ward-2, scored with the same models and thresholds:" in text
    assert "from 2,000 resamplings of the patients of 3 folds" in text
    assert "test 40 + 120" in text


def test_the_majority_class_takes_part_in_every_fold(folder, rows):
    entry = json.loads((folder / "entries" / "majority-class.json").read_text())
    assert [len(fold["heads"]) for fold in entry["folds"]] == [1, 1, 1]
    assert (rows["majority-class"]["accuracy"], rows["majority-class"]["external_ward-2_accuracy"]) == (0.75, 0.75)
    assert rows["majority-class"]["trials"] == 0


def test_more_seeds_repeat_no_trial_and_keep_the_first_seed(run_here, write_images, workspace):
    write_images("images", 200, 220, difference=1)
    run = ("run", "--data", "images", "--image-size", 32, "--backbone", "control-intensity", "--no-controls", "--offline")
    flags = (*run, "--augmentation", "none", "--imbalance", "none", "--trials", 2, "--epochs", 1, "--workers", 0, "--json")
    once = run_here(*flags)
    journals = {
        path: path.read_bytes().count(b'"op_code":4,') for path in workspace.folder.glob("leaderboard/studies/*.journal")
    }
    assert list(journals.values()) == [2]
    thrice = run_here(*flags, "--seeds", 3)
    assert (once.returncode, thrice.returncode) == (0, 0)
    assert journals == {
        path: path.read_bytes().count(b'"op_code":4,') for path in workspace.folder.glob("leaderboard/studies/*.journal")
    }
    (first, *_), (again, *_) = (
        [row for row in json.loads(result.stdout) if row["kind"] == "recipe"] for result in (once, thrice)
    )
    assert first["protocol"] != again["protocol"]
    stored = [
        read_predictions(workspace.folder / "leaderboard" / row["protocol"] / "predictions" / "control-intensity+none+none.npz")
        for row in (first, again)
    ]
    of_first_seed = [head for head in stored[1] if head.seed == 0]
    assert [head.scores.tolist() for head in of_first_seed] == [head.scores.tolist() for head in stored[0]]
    assert [head.keys.tolist() for head in of_first_seed] == [head.keys.tolist() for head in stored[0]]
    assert first["auc_seed_sd"] is None
    assert again["auc_seed_sd"] > 0
