from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrbench.benchmark.ensemble.members import Ensemble, best_of, candidates, choose_members, greedy, mean_of, stack_scores
from cxrbench.benchmark.ensemble.run import add_ensemble
from cxrbench.config.protocol import Protocol
from cxrbench.errors import ConfigError, CxrbenchError, UnknownName
from cxrbench.evaluation.metrics import confusion, metrics
from cxrbench.evaluation.prediction_table import read_predictions, write_predictions
from cxrbench.evaluation.predictions import Predictions, of_subset
from cxrbench.evaluation.threshold import choose_threshold
from cxrbench.leaderboard.board import read_test_predictions
from cxrbench.leaderboard.publish import publish
from cxrbench.leaderboard.store.entry import Confusion, DatasetFacts, Entry, FoldResult, HeadResult, PartCounts
from cxrbench.leaderboard.store.entry_files import read_entry
from cxrbench.leaderboard.store.external_result import ExternalResult
from cxrbench.leaderboard.store.folder import ProtocolFolder
from cxrbench.leaderboard.store.test_lock import TestSetLocked

NORMAL, PNEUMONIA = 20, 40
FOLDS, SEEDS = 2, 2


def protocol(**given):
    settings = {"folds": FOLDS, "seeds": SEEDS, "metric": "auc", "threshold": "max-f1", **given}
    sizes = {"image_size": 64, "resize": "stretch", "seed": 0, "trials": 5, "epochs": 3, "batch_size": 32, "patience": 2}
    return Protocol(dataset="p", fingerprint="f", split="grouped", engine="optuna", **sizes, **settings)


def scored(part, fold, seed, quality, random):
    """Scores of a head that tells the classes apart as well as `quality` says."""
    labels = np.repeat([0, 1], [NORMAL, PNEUMONIA])
    names = np.array([f"{part}-{fold}-{number}" for number in range(len(labels))])
    scores = 1 / (1 + np.exp(-quality * (labels - 0.5) - random.standard_normal(len(labels))))
    return Predictions(subset=part, fold=fold, seed=seed, keys=names, patients=names, labels=labels, scores=scores)


def write_member(folder, name, quality, **given):
    """Write an entry as a run does, with its predictions, folds and seeds."""
    random = np.random.default_rng([ord(letter) for letter in name])
    units = list(itertools.product(range(folder.protocol.folds), range(folder.protocol.seeds)))
    table = [scored(part, fold, seed, quality, random) for part in ("validation", "test") for fold, seed in units]
    tested = of_subset(table, "test")
    heads = {key: head(name, key, tested[key]) for key in units}
    path = folder.predictions(name)
    write_predictions(path, table)
    parts = {f"{part}_{label}": size for part in ("train", "validation", "test") for label, size in COUNTS.items()}
    facts = DatasetFacts(
        name="p",
        fingerprint="f",
        **{label: FOLDS * size for label, size in COUNTS.items()},
        patients=120,
        skipped=0,
        folds=(PartCounts(**parts),) * folder.protocol.folds,
    )
    entry = Entry(
        **{
            "protocol": folder.protocol,
            "recipe": name,
            "backbone": name,
            "augmentation": "none",
            "imbalance": name,
            "control": False,
            "status": "complete",
            "metrics": {"auc": np.mean([one.metrics["auc"] for one in heads.values()])},
            "folds": tuple(
                FoldResult(fold=fold, heads=tuple(heads[fold, seed] for seed in range(folder.protocol.seeds)))
                for fold in range(folder.protocol.folds)
            ),
            "dataset": facts,
            "predictions": f"predictions/{path.name}",
            "warnings": ("shared", f"of {name}"),
            **given,
        }
    )
    folder.add(name, entry)
    return entry


COUNTS = {"negative": NORMAL, "positive": PNEUMONIA}


def head(name, key, test):
    return HeadResult(
        seed=key[1],
        threshold=0.5,
        selection=f"{name} {key}",
        confusion=Confusion(**confusion(test.labels, test.scores, 0.5)),
        metrics=metrics(test.labels, test.scores, 0.5),
    )


@pytest.fixture
def folder(tmp_path):
    found = ProtocolFolder(out=tmp_path, protocol=protocol())
    found.write_protocol()
    for name, quality in {"bad": 0.2, "good": 1.5, "better": 1.6}.items():
        write_member(found, name, quality)
    return found


def ensemble(folder, names=(), method="greedy", size=None):
    found = candidates(publish(folder).entries, names)
    return Ensemble(protocol=folder.protocol, method=method, size=size, candidates=found)


def auc(scores):
    """Return the share of pairs of one positive and one negative that the scores order correctly; a tie counts half."""
    return float(np.mean(1 + np.sign(scores[LABELS == 1][:, None] - scores[LABELS == 0])) / 2)


matrices = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).uniform(size=(4, 30)))
LABELS = np.arange(30) % 2


@settings(max_examples=50)
@given(matrices)
def test_greedy_is_never_worse_than_the_best_row_or_a_prefix(scores):
    counts = greedy(scores, auc, 8)
    found = auc(mean_of(scores, counts))
    assert 1 <= counts.sum() <= 8
    assert found >= max(map(auc, scores)) - 1e-9
    assert all(auc(mean_of(scores, greedy(scores, auc, rounds))) <= found + 1e-9 for rounds in range(1, 8))


def test_greedy_takes_a_row_again_to_weigh_it_more():
    first = np.array([0.9, 0.6, 0.5, 0.0])
    second = np.array([0.1, 0.9, 0.0, 0.5])

    def distance(scores):
        return -float(np.abs(scores - (2 * first + second) / 3).sum())

    assert greedy(np.stack([first, second]), distance, 10).tolist() == [2, 1]


def test_of_equal_rows_the_first_is_taken_and_no_more():
    scores = np.stack([LABELS * 0.5, LABELS * 1.0, 1.0 - LABELS])
    assert greedy(scores, auc, 5).tolist() == [1, 0, 0]
    assert best_of(scores, auc, 1).tolist() == [1, 0, 0]


def test_a_soft_vote_is_the_plain_mean_of_all_or_of_the_best():
    scores = np.stack([1.0 - LABELS, LABELS * 0.5, LABELS * 1.0])
    everyone = best_of(scores, auc, 3)
    np.testing.assert_allclose(mean_of(scores, everyone), scores.mean(axis=0))
    assert best_of(scores, auc, 2).tolist() == [0, 1, 1]


def test_candidates_are_complete_recipes_and_nothing_else(folder):
    for name, different in {
        "control": {"control": True},
        "failed": {"status": "failed", "reason": "why"},
        "e": {"kind": "ensemble"},
    }.items():
        write_member(folder, name, 1.0, **different)
    entries = publish(folder).entries
    assert [entry.recipe for entry in candidates(entries, ())] == ["bad", "better", "good"]
    assert [entry.recipe for entry in candidates(entries, ["good", "bad", "good"])] == ["bad", "good"]
    for name, reason in {"control": "a control", "failed": "failed", "e": "not a recipe"}.items():
        with pytest.raises(ConfigError, match=f"{name} cannot be a member of an ensemble: it is {reason}"):
            candidates(entries, ["good", name])
    with pytest.raises(UnknownName, match="did you mean good"):
        candidates(entries, ["goood", "bad"])
    with pytest.raises(ConfigError, match="at least two complete recipes; found 1: good"):
        candidates(entries, ["good"])


@pytest.mark.parametrize("method", ["greedy", "soft-vote"])
def test_validation_chooses_members_and_scores_are_their_mean(folder, method):
    entry = add_ensemble(folder, ensemble(folder, method=method), {})
    tables = {one: read_predictions(folder.predictions(one)) for one in ("bad", "better", "good")}
    own = read_predictions(folder.predictions(entry.recipe))
    for fold, seed in itertools.product(range(FOLDS), range(SEEDS)):
        result = entry.folds[fold].heads[seed]
        assert sum(result.members.values()) == pytest.approx(1)
        for part in ("validation", "test"):
            of_members = {name: of_subset(table, part)[fold, seed] for name, table in tables.items()}
            mean = sum(weight * of_members[name].scores for name, weight in result.members.items())
            np.testing.assert_allclose(of_subset(own, part)[fold, seed].scores, mean, atol=1e-15)
        validation = of_subset(own, "validation")[fold, seed]
        assert result.threshold in validation.scores
        best = max(metrics(validation.labels, validation.scores, one)["f1"] for one in validation.scores)
        assert metrics(validation.labels, validation.scores, result.threshold)["f1"] == best
    if method == "soft-vote":
        assert entry.members == pytest.approx({"bad": 1 / 3, "better": 1 / 3, "good": 1 / 3})
    assert (entry.augmentation, entry.imbalance, entry.warnings) == ("none", "mixed", ("shared",))


def test_test_scores_play_no_part_in_the_choice(folder):
    chosen = add_ensemble(folder, ensemble(folder), {}).members
    for name in ("bad", "better", "good"):
        path = folder.predictions(name)
        table = [
            one if one.subset == "validation" else replace(one, scores=one.scores[::-1].copy())
            for one in read_predictions(path)
        ]
        write_predictions(path, table)
    entries = [read_entry(folder.path / "entries" / f"{name}.json") for name in ("bad", "better", "good")]
    plan = Ensemble(protocol=folder.protocol, method="greedy", size=None, candidates=tuple(entries))
    assert add_ensemble(folder, plan, {}).members == chosen


def test_members_are_chosen_under_development_shifts_too(folder):
    for name, quality in {"bad": 3.0, "good": -3.0, "better": -3.0}.items():
        entry, random = write_member(folder, name, 1.0, development=("crop@4",)), np.random.default_rng(0)
        table = read_predictions(folder.predictions(name))
        shifted = [scored("validation", *key, quality, random) for key in of_subset(table, "validation")]
        write_predictions(folder.development(entry.recipe, "crop@4"), shifted)
    plan = ensemble(folder, method="soft-vote", size=1)
    chosen = add_ensemble(folder, plan, {})
    assert chosen.members == {"bad": 1}
    both = (read_predictions(path) for path in (folder.predictions("bad"), folder.development("bad", "crop@4")))
    versions = [of_subset(table, "validation")[0, 0] for table in both]
    labels, scores = (np.concatenate([getattr(one, name) for one in versions]) for name in ("labels", "scores"))
    assert chosen.folds[0].heads[0].threshold == choose_threshold("max-f1", labels, scores)
    means = [metrics(one.labels, one.scores, chosen.folds[0].heads[0].threshold)["auc"] for one in versions]
    assert chosen.folds[0].validation["auc"] == pytest.approx(np.mean(means))
    write_member(folder, "good", 1.0)
    with pytest.raises(CxrbenchError, match="bad and good were selected under different shifts: crop@4; none"):
        add_ensemble(folder, ensemble(folder), {})


def test_it_stands_on_the_board_among_the_others(folder):
    entry = add_ensemble(folder, ensemble(folder), {})
    board = publish(folder)
    (row,) = [row for row in board.records() if row["kind"] == "ensemble"]
    assert row["rank_low"] <= row["rank"] <= row["rank_high"]
    assert row["auc_low"] <= row["auc"] <= row["auc_high"]
    assert row["auc_seed_sd"] > 0
    assert any(warning.startswith("mean of the scores of") for warning in row["warnings"])
    assert (row["trials"], row["seconds"]) == (0, 0)
    labels = np.concatenate([unit.labels for unit in read_test_predictions(folder.path, entry)])
    assert len(labels) == FOLDS * SEEDS * (NORMAL + PNEUMONIA)
    assert row["auc"] > max(one["auc"] for one in board.records() if one["recipe"] == "bad")


def test_again_gives_the_same_bytes_and_a_grown_board_a_new_name(folder):
    first = add_ensemble(folder, ensemble(folder), {})
    path = folder.path / "entries" / f"{first.recipe}.json"
    before = path.read_bytes()
    add_ensemble(folder, ensemble(folder), {})  # the first one is on the board by now, and no candidate
    assert path.read_bytes() == before
    write_member(folder, "newcomer", 1.7)
    assert add_ensemble(folder, ensemble(folder), {}).recipe != first.recipe
    assert path.read_bytes() == before
    assert len({ensemble(folder, size=size).name for size in (None, 2, 3)}) == 3


def write_external(folder, recipe, fingerprint="e"):
    """Write a result on an external test set as a run does."""
    random = np.random.default_rng([ord(letter) for letter in recipe])
    entry = read_entry(folder.path / "entries" / f"{recipe}.json")
    heads = itertools.product(range(FOLDS), range(SEEDS))
    images = scored("external", 0, 0, 1.0, random)
    table = [replace(images, fold=fold, seed=seed, scores=random.uniform(size=len(images.keys))) for fold, seed in heads]
    write_predictions(folder.external("elsewhere", recipe).with_suffix(".npz"), table)
    result = ExternalResult(
        name="elsewhere",
        dataset="e",
        fingerprint=fingerprint,
        **COUNTS,
        recipe=recipe,
        selections=entry.selections,
        metrics={"auc": 0.5},
        intervals={"auc": (0.4, 0.6)},
    )
    folder.add_external(recipe, result)
    return table


def test_an_external_set_is_averaged_if_all_members_scored_it(folder):
    tables = {name: write_external(folder, name) for name in ("bad", "good")}
    plan = ensemble(folder, ["bad", "good"], "soft-vote")
    add_ensemble(folder, plan, publish(folder).external)
    found = read_predictions(folder.external("elsewhere", plan.name).with_suffix(".npz"))
    for one, first, second in zip(found, *tables.values(), strict=True):
        np.testing.assert_allclose(one.scores, (first.scores + second.scores) / 2, atol=1e-15)
    (row,) = [row for row in publish(folder).records() if row["recipe"] == plan.name]
    assert row["external_elsewhere_auc_low"] < row["external_elsewhere_auc"] < row["external_elsewhere_auc_high"]
    everyone = ensemble(folder)
    add_ensemble(folder, everyone, publish(folder).external)  # better was not scored there
    write_external(folder, "better", "other-images")
    add_ensemble(folder, everyone, publish(folder).external)
    assert not folder.external("elsewhere", everyone.name).exists()


def test_another_selection_of_one_name_meets_the_test_set_lock(folder):
    first = add_ensemble(folder, ensemble(folder), {})
    before = (folder.path / "entries" / f"{first.recipe}.json").read_bytes()
    write_member(folder, "bad", 3.0)  # somebody has changed what the name stands for
    with pytest.raises(TestSetLocked):
        add_ensemble(folder, ensemble(folder), {})
    assert (folder.path / "entries" / f"{first.recipe}.json").read_bytes() == before


@pytest.mark.parametrize(
    ("metric", "threshold", "policy"),
    [
        ("f1", "max-f1", "max-f1"),
        ("f1", "median-f1", "median-f1"),
        ("accuracy", "fixed=0.5", "fixed=0.5"),
        ("recall", "recall>=0.9", "recall>=0.9"),
        ("f1", "search", "max-f1"),
    ],
)
def test_every_metric_and_policy_of_a_protocol_can_be_followed(tmp_path, metric, threshold, policy):
    folder = ProtocolFolder(out=tmp_path, protocol=protocol(metric=metric, threshold=threshold, folds=1, seeds=1))
    folder.write_protocol()
    for name, quality in {"good": 1.5, "better": 1.6}.items():
        write_member(folder, name, quality)
    entry = add_ensemble(folder, ensemble(folder), {})
    (found,) = entry.thresholds
    assert policy != "fixed=0.5" or found == 0.5
    assert ("its threshold was not searched but set by max-f1" in entry.warnings) == (threshold == "search")
    assert entry.selected_by == metric


def test_scores_of_other_images_are_not_mixed(folder):
    path = folder.predictions("good")
    table = read_predictions(path)
    write_predictions(path, [replace(one, keys=one.keys[::-1]) for one in table])
    with pytest.raises(CxrbenchError, match="different images, folds or seeds"):
        stack_scores({name: read_predictions(folder.predictions(name)) for name in ("bad", "good")}, "validation")


def test_the_identity_depends_on_threshold_scores_fold_and_seed(folder):
    plan = ensemble(folder)
    tables = {entry.recipe: read_predictions(folder.path / entry.predictions) for entry in plan.candidates}
    validation = stack_scores(tables, "validation")
    identities = {choose_members(plan, one).identity for one in validation.values()}
    assert len(identities) == FOLDS * SEEDS
    first = validation[0, 0]
    assert choose_members(plan, replace(first, scores=first.scores**2)).identity not in identities
