"""Protocols and entries: bare ones, with what does not matter filled in, and whole ones, made from scores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from cxrbench.benchmark.entries import head_result, summarise_under, with_group
from cxrbench.config.protocol import Protocol
from cxrbench.evaluation.prediction_table import write_predictions
from cxrbench.evaluation.predictions import Predictions
from cxrbench.leaderboard.board import Board
from cxrbench.leaderboard.store.entry import Confusion, DatasetFacts, Entry, FoldResult, HeadResult, PartCounts
from cxrbench.leaderboard.store.folder import ProtocolFolder
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
SETTING = {"learning_rate": 0.001, "dropout": 0.5}
TRIALS = (
    Trial(number=0, params={**SETTING, "threshold": 0.5}, state="complete", value=0.875, losses=(0.5, 0.25), seconds=1.25),
    Trial(number=1, params={**SETTING, "dropout": 0.25}, state="pruned", losses=(0.75,), seconds=0.5, batch_size=16),
    Trial(number=2, params={**SETTING, "k": 3}, state="failed", failure="oom", reason="MemoryError: no room", log=("lost",)),
)
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


def drawn_scores(protocol, backbone, distance, images, images_each):
    """Score images, the same ones in every protocol, with noise of the backbone's own."""
    patients = np.arange(images) // images_each
    sick = (np.random.default_rng(0).random(patients.max() + 1) < 0.6).astype(np.int64)[patients]
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
                scores=1 / (1 + np.exp(-distance * (sick[mine] - 0.5) - noise)),
            )


@pytest.fixture(scope="session")
def compete(make_protocol):
    """Return a competitor: the larger its distance, the better; 0 sees nothing."""

    @cache  # the same competitors take part in many tests
    def score(protocol, threshold, *drawn):
        scored = tuple(drawn_scores(protocol, *drawn))
        tested = [one.at(threshold) for one in scored]
        return scored, tested, summarise_under(protocol, tested)

    def make(backbone="texture", distance=2.0, *, threshold=0.5, images=180, images_each=1, protocol=None, **given):
        protocol = protocol or make_protocol()
        scored, tested, summary = score(protocol, threshold, backbone, distance, images, images_each)
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


@pytest.fixture
def folder(make_protocol, tmp_path):
    return ProtocolFolder(out=tmp_path / "leaderboard", protocol=make_protocol())
