"""Protocols, entries and recipes, with what does not matter filled in."""

from __future__ import annotations

import pytest

from cxrbench.config import Protocol
from cxrbench.leaderboard.entry import Entry
from cxrbench.recipe import grid


@pytest.fixture(scope="session")
def make_protocol():
    def make(**given):
        return Protocol(
            **{
                "dataset": "phantom",
                "fingerprint": "f" * 64,
                "notice": "drawn films: a test of the tool, | not of medicine",
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
    """Return an entry: complete if it has an AUC, failed otherwise."""

    def make(backbone="texture", auc=None, **given):
        complete = {
            "metrics": {"accuracy": 0.75, "recall": 0.5, "precision": 0.25, "f1": 0.375, "auc": auc},
            "validation": {"auc": 0.875},
            "selected_by": "auc",
            "selected_trial": 2,
            "threshold": 0.4375,
            "params": {"learning_rate": 0.001, "dropout": 0.5, "threshold": 0.4375},
            "trials": {"complete": 4, "failed": 1},
            "seconds": {"features": 1.25, "search": 2.5},
            "predictions": "predictions/x.csv",
        }
        return Entry(
            **{
                "protocol": make_protocol().name,
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


@pytest.fixture(scope="session")
def recipes(host):
    """Return two recipes, the second with options that make a poor file name."""
    return grid(host, ["texture"], ["none"], ["none", "smote:k_neighbors=3"], controls=False)


@pytest.fixture
def facts():
    """Return what an entry says of its images."""
    return {
        "name": "p",
        "fingerprint": "f",
        "train_normal": 30,
        "train_pneumonia": 90,
        "validation_normal": 10,
        "validation_pneumonia": 40,
        "test_normal": 11,
        "test_pneumonia": 41,
        "skipped": 2,
    }
