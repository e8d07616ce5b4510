"""Protocols and entries: bare ones, with what does not matter filled in, and whole ones, made from scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from cxrbench.benchmark.entries import head_result, summarise_under, with_group
from cxrbench.benchmark.groups import group_results
from cxrbench.config.protocol import Protocol
from cxrbench.data.audit.findings import Audit, Finding
from cxrbench.evaluation.bootstrap import draw_patients
from cxrbench.evaluation.prediction_table import write_predictions
from cxrbench.evaluation.predictions import Predictions
from cxrbench.leaderboard.board import Board
from cxrbench.leaderboard.store.entry import Confusion, DatasetFacts, Entry, FoldResult, HeadResult, LearningCurves, PartCounts
from cxrbench.leaderboard.store.folder import ProtocolFolder
from cxrbench.leaderboard.store.shift_result import Loss, ShiftResult, ShiftScore
from cxrbench.leaderboard.store.trial_history import history_of
from cxrbench.plugin.contracts import Trial

CONFUSION = {"tp": 1, "fp": 3, "fn": 1, "tn": 11}
FACTS = DatasetFacts(
    name="p",
    fingerprint="f" * 64,
    negative=54,
    positive=132,
    patients=99,
    skipped=2,
    folds=(
        PartCounts(
            train_negative=30,
            train_positive=90,
            validation_negative=10,
            validation_positive=40,
            test_negative=14,
            test_positive=2,
        ),
    ),
)
VGG16, MOBILENET = {"backbone": 14_714_688, "head": 263_169}, {"backbone": 218_544, "head": 131_585}
SETTING = {"learning_rate": 0.001, "dropout": 0.5}
TRIALS = (
    Trial(number=0, params={**SETTING, "threshold": 0.5}, state="complete", value=0.875, losses=(0.5, 0.25), seconds=1.25),
    Trial(number=1, params={**SETTING, "dropout": 0.25}, state="pruned", losses=(0.75,), seconds=0.5, batch_size=16),
    Trial(number=2, params={**SETTING, "k": 3}, state="failed", failure="oom", reason="MemoryError: no room", log=("lost",)),
)
SHIFTS = ("blur@2", "exposure@1.5", "noise@3", "crop@0.1")
METRICS = {"accuracy": 0.75, "recall": 0.5, "precision": 0.25, "f1": 1 / 3}


@pytest.fixture(scope="session")
def make_protocol():
    def make(**given):
        return Protocol(
            **{
                "dataset": "phantom",
                "fingerprint": "f" * 64,
                "notice": "drawn images: a test of the tool, | not of medicine",
                "split": "grouped",
                "image_size": 64,
                "resize": "stretch",
                "precision": "float32",
                "seed": 0,
                "engine": "optuna",
                "trials": 5,
                "metric": "auc",
                "threshold": "max-f1",
                "epochs": 3,
                "batch_size": 32,
                "patience": 2,
                "pruning": "none",
                **given,
            }
        )

    return make


@pytest.fixture(scope="session")
def make_entry(make_protocol):
    """Return an entry of one fold and seed with 2 + 14 test images: complete if it has an AUC, failed otherwise.

    An AUC that can be true is a multiple of 1/56 from 22/56 to 50/56.
    """

    def make(backbone="texture", auc=None, **given):
        metrics = {**METRICS, "auc": auc}
        complete = {
            "metrics": metrics,
            "selected_by": "auc",
            "folds": (
                FoldResult(
                    fold=0,
                    study="s" * 64,
                    selected_trial=2,
                    params={"learning_rate": 0.001, "dropout": 0.5},
                    validation={"auc": 0.875},
                    trials={"complete": 4, "failed": 1},
                    heads=(HeadResult(seed=0, threshold=0.4375, confusion=Confusion(**CONFUSION), metrics=metrics),)
                    if auc is not None
                    else (),
                ),
            ),
            "seconds": {"features": 1.25, "search": 2.5, "elapsed": 2.75},
            "predictions": f"predictions/{backbone}+none+smote.npz",
            "dataset": FACTS,
        }
        return Entry(
            **{
                "protocol": make_protocol(),
                "recipe": f"{backbone}+none+smote",
                "backbone": backbone,
                "augmentation": "none",
                "imbalance": "smote",
                "control": False,
                "study": "s" * 64,
                "status": "failed" if auc is None else "complete",
                "reason": "MemoryError: no room" if auc is None else "",
                **({} if auc is None else complete),
                **given,
            }
        )

    return make


@pytest.fixture
def facts():
    """Return what an entry says of its images."""
    return FACTS


@dataclass(frozen=True)
class Competitor:
    """An entry and the scores that all of its numbers come from."""

    entry: Entry
    scored: tuple[Predictions, ...]

    @property
    def predictions(self):
        heads = {(fold.fold, head.seed): head for fold in self.entry.folds for head in fold.heads}
        return tuple(one.at(heads[one.fold, one.seed].threshold) for one in self.scored)

    def write(self, folder):
        """Write entry and predictions into a protocol's folder; return the path of the entry."""
        stem = self.entry.recipe
        write_predictions(folder.predictions(stem), self.scored)
        folder.add(stem, self.entry)
        return folder.path / "entries" / f"{stem}.json"


def drawn_groups(patients):
    """Return the site, the age and the sex of each image; few are young, and some ages are not known."""
    generator = np.random.default_rng(1)
    bands = generator.choice(["5-17", "18-39", "65+", "unknown"], patients.max() + 1, p=[0.05, 0.4, 0.4, 0.15])
    drawn = {"sex": generator.choice(["F", "M"], patients.max() + 1), "age": bands}
    return {
        **{column: values[patients] for column, values in drawn.items()},
        "site": np.array(["Basel", "Bern"])[patients // 2 % 2],
    }


def drawn_scores(protocol, patients, backbone, distance, grouped):
    """Score images, the same ones in every protocol, with noise of the backbone's own; if there are groups, badly in Bern."""
    sick = (np.random.default_rng(0).random(patients.max() + 1) < 0.6).astype(np.int64)[patients]
    groups = drawn_groups(patients) if grouped else {}
    distances = np.where(groups["site"] == "Bern", distance / 4, distance) if grouped else np.full(len(patients), distance)
    for fold in range(protocol.folds):
        mine = patients % protocol.folds == fold
        for seed in range(protocol.seeds):
            noise = np.random.default_rng([seed, fold, *backbone.encode()]).normal(size=int(mine.sum()))
            yield Predictions(
                subset="test",
                fold=fold,
                seed=seed,
                keys=np.array([f"{number}.png" for number in np.flatnonzero(mine)]),
                patients=np.array([f"p{number}" for number in patients[mine]]),
                labels=sick[mine],
                scores=1 / (1 + np.exp(-distances[mine] * (sick[mine] - 0.5) - noise)),
                groups={column: values[mine] for column, values in groups.items()},
            )


@pytest.fixture(scope="session")
def compete(make_protocol):
    """Return a competitor: the larger its distance, the better; 0 sees nothing. Its images may be of groups."""

    @cache  # the same competitors take part in many tests
    def score(protocol, threshold, images, images_each, *drawn):
        scored = tuple(drawn_scores(protocol, np.arange(images) // images_each, *drawn))
        tested = [one.at(threshold) for one in scored]
        groups = group_results(protocol, tested, draw_patients(tested, protocol.seed))
        return scored, tested, summarise_under(protocol, tested), groups

    def make(
        backbone="texture", distance=2.0, *, threshold=0.5, images=180, images_each=1, protocol=None, grouped=False, **given
    ):
        protocol = protocol or make_protocol()
        scored, tested, summary, groups = score(protocol, threshold, images, images_each, backbone, distance, grouped)
        folds = [
            with_group(
                protocol,
                FoldResult(
                    fold=fold,
                    selected_trial=0,
                    params={"learning_rate": 0.001, "dropout": 0.5},
                    validation={"auc": 0.875},
                    trials={"complete": 1, "pruned": 1, "failed": 1},
                    history=history_of(TRIALS),
                    heads=tuple(head_result(protocol, one, f"{one.fold}-{one.seed}") for one in tested if one.fold == fold),
                ),
                tested,
            )
            for fold in range(protocol.folds)
        ]
        tested = [next(one.labels for one in scored if one.fold == fold) for fold in range(protocol.folds)]
        counts = [
            PartCounts(
                train_negative=1,
                train_positive=1,
                validation_negative=20,
                validation_positive=30,
                test_negative=int((labels == 0).sum()),
                test_positive=int(labels.sum()),
            )
            for labels in tested
        ]
        entry = Entry(
            **{
                "protocol": protocol,
                "recipe": f"{backbone}+none+none",
                "backbone": backbone,
                "augmentation": "none",
                "imbalance": "none",
                "control": False,
                "study": "s" * 64,
                "status": "complete",
                "metrics": summary.metrics,
                "intervals": summary.intervals,
                "seed_spread": summary.seed_spread,
                "groups": groups,
                "selected_by": "auc",
                "folds": tuple(folds),
                "dataset": DatasetFacts(
                    name="d",
                    fingerprint="f" * 64,
                    negative=sum(part.test_negative for part in counts),
                    positive=sum(part.test_positive for part in counts),
                    patients=images // images_each,
                    skipped=0,
                    folds=tuple(counts),
                ),
                "predictions": f"predictions/{backbone}+none+none.npz",
                **given,
            }
        )
        return Competitor(entry=entry, scored=scored)

    return make


@pytest.fixture(scope="session")
def board_of():
    """Return the board of competitors of one protocol."""

    def make(*competitors):
        return Board(
            protocol=competitors[0].entry.protocol,
            entries=tuple(one.entry for one in competitors),
            predictions={one.entry.recipe: one.predictions for one in competitors},
        )

    return make


def with_curves(competitor):
    """Return a competitor whose heads have learning curves."""
    curves = LearningCurves(
        train_loss=(0.7, 0.5, 0.4), train_accuracy=(0.5, 0.7, 0.8), validation_loss=(0.8, 0.6), validation_accuracy=(0.5, 0.65)
    )
    folds = tuple(
        fold.model_copy(update={"heads": tuple(head.model_copy(update={"curves": curves}) for head in fold.heads)})
        for fold in competitor.entry.folds
    )
    return replace(competitor, entry=competitor.entry.model_copy(update={"folds": folds}))


def shift_result(entry, loss):
    """Return a result under four shifts that cost this much AUC."""
    metrics = {**entry.metrics, "auc": entry.metrics["auc"] - loss}
    scores = tuple(
        ShiftScore(
            name=name,
            shift=name.partition("@")[0],
            strength=1.0,
            unit="x",
            role="test",
            covered=False,
            identity="a" * 64,
            standard=True,
            problem="",
            metrics=metrics,
            intervals={},
            loss=Loss(best_accuracy=0.5, slope=1.0, intercept=0.0),
        )
        for name in SHIFTS
    )
    return ShiftResult(recipe=entry.recipe, selections=entry.selections, scores=scores, metrics=metrics, intervals={})


@pytest.fixture(scope="session")
def whole_board(compete, board_of, make_protocol):
    """Return a board with controls, shifts, curves, trials, folds, seeds, a finding, an external result and a failure."""
    protocol = make_protocol(folds=2, seeds=2)
    audit = Audit(findings=(Finding(check="shared-patients", severity="leak", count=3, message="3 patients are shared"),))
    made = [
        with_curves(compete("texture", 3.0, protocol=protocol, audit=audit, seconds={"elapsed": 2.5})),
        compete("vgg16", 2.9, protocol=protocol, seconds={"elapsed": 40.0}, augmentation="gentle", parameters=VGG16),
        compete("mobilenet", 1.0, protocol=protocol, seconds={"elapsed": 9.0}, parameters=MOBILENET),
        compete("control-border", 2.5, protocol=protocol, control=True, images=180),
    ]
    board = board_of(*made)
    shifts = {one.entry.recipe: shift_result(one.entry, place * 0.05) for place, one in enumerate(made)}
    heads = {one.entry.recipe: one.predictions for one in made}
    return replace(board, shifts=shifts, shifted=heads)


@pytest.fixture
def folder(make_protocol, tmp_path):
    return ProtocolFolder(out=tmp_path / "leaderboard", protocol=make_protocol())


@pytest.fixture
def make_store(compete, make_protocol, workspace):
    """Return a function that writes a board of two rows into the workspace's leaderboards and returns its store."""

    def make(trials=5):
        protocol = make_protocol(trials=trials)
        store = ProtocolFolder(out=workspace.folder / "leaderboard", protocol=protocol)
        store.write_protocol()
        for name in ("texture", "vgg16"):
            compete(name, len(name) / 3, protocol=protocol).write(store)
        return store

    return make
