"""Fixtures: a tiny recipe with features on disk, and a function that searches it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from cxrbench.config.component import Component, parse_component
from cxrbench.config.part import bind
from cxrbench.execution.executor import InProcessExecutor
from cxrbench.models.training.configuration import TrainingConfiguration
from cxrbench.models.training.jobs import HeadJob
from cxrbench.plugin.host import load_host
from cxrbench.plugin.specs import Engine, Imbalance
from cxrbench.search.record import StudyRecord
from cxrbench.search.study import Study, run_study, search_space
from cxrbench.storage.sharded_array import ShardedArray

ROWS, WIDTH = 60, 4

PLUGIN = """
from cxrbench.plugin import Balance, Float, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    space = {"strength": Float(low=0.0, high=1.0)}
    return [Imbalance(name="delicate", factory=__name__ + ":delicate", space=space)]


def delicate(fold, *, seed, strength, breaks_above=0.6):
    if strength > breaks_above:
        raise MemoryError(f"no room for strength {strength > breaks_above}\\nand a second line")
    return Balance()
"""


@pytest.fixture
def delicate(tmp_path):
    """Return a strategy that fails if its searched parameter is above a limit."""
    file = tmp_path / "delicate.py"
    file.write_text(PLUGIN, encoding="utf-8")
    host = load_host([file])

    def part(text="delicate"):
        component = parse_component(text)
        return bind(component, host.find(Imbalance, component.name))

    return part


@pytest.fixture
def view(tmp_path, monkeypatch):
    """Write features to disk that separate the classes, but not perfectly."""
    monkeypatch.setenv("CXRBENCH_HOME", str(tmp_path))
    features = np.random.default_rng(7).normal(size=(ROWS, WIDTH)).astype(np.float32)
    features[::2, 0] += 1.5
    on_disk = ShardedArray(folder=tmp_path / "features" / "tiny", rows=ROWS, dtype="float32")
    on_disk.write(0, [features])
    return on_disk


@pytest.fixture
def make_study(host, view, tmp_path):
    """Return a function that makes a study of the tiny recipe."""
    names = itertools.count()
    labels = (np.arange(ROWS) % 2 == 0).astype(np.int64)

    def make(*, engine=None, imbalance=None, policy="max-f1", metric="auc", generation=5, seed=11, max_failures=5):
        strategy = imbalance or bind(Component(name="none"), host.find(Imbalance, "none"))
        space = search_space(policy, strategy.spec.space)
        images = np.arange(ROWS)
        job = HeadJob(
            study=f"{tmp_path} {next(names)}",
            views=(view,),
            imbalance=strategy,
            train=(images[:40], labels[:40]),
            validation=(images[40:], labels[40:]),
            configuration=TrainingConfiguration(epochs=2, batch_size=16, patience=2),
            seed=seed,
        )
        optuna = bind(Component(name="optuna"), host.find(Engine, "optuna"))
        return Study(
            job=job,
            job_of=lambda params: job,
            space=space,
            engine=engine or optuna.build(space=space, seed=seed),
            trials=1,
            generation=generation,
            policy=policy,
            metric=metric,
            pruning="none",
            max_failures=max_failures,
        )

    return make


@pytest.fixture
def search(tmp_path, tensorflow_ready):
    """Return a function that runs a study: its trials, and their numbers in the order in which they finished."""

    def run(study, trials, *, record="record", executor=None):
        order = []
        opened = StudyRecord(tmp_path / "studies" / f"{record}.journal", "tiny", study.space)
        wanted = replace(study, trials=trials)
        found = run_study(wanted, opened, executor or InProcessExecutor(), lambda trial: order.append(trial.number))
        return found, order

    return run
