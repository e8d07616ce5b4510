"""Small features on disk and a small head job."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.models.training.configuration import TrainingConfiguration
from cxrbench.models.training.jobs import HeadJob
from cxrbench.plugin.specs import Imbalance
from cxrbench.storage.sharded_array import ShardedArray

ROWS, WIDTH = 80, 4


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Write features to disk and return them as a view."""
    monkeypatch.setenv("CXRBENCH_HOME", str(tmp_path))
    names = itertools.count()

    def write(features):
        view = ShardedArray(folder=tmp_path / "features" / f"view{next(names)}", rows=len(features), dtype="float32")
        for shard in view.missing():
            start, stop = view.bounds(shard)
            view.write(shard, [features[start:stop]])
        return view

    return write


@pytest.fixture
def labels():
    """Return labels: one third negative, two thirds positive, mixed."""
    return (np.arange(ROWS) % 3 > 0).astype(np.int64)


@pytest.fixture
def make_job(host, store, labels, tmp_path):
    """Return a job on features that tell the classes apart, but not perfectly: 50 rows to train on, 30 to validate."""
    names = itertools.count()
    features = np.random.default_rng(5).normal(size=(ROWS, WIDTH)).astype(np.float32)
    features[labels == 1, 0] += 1
    clean, augmented = store(features), store(features + np.float32(0.1))

    def make(imbalance="none", *, of_host=host, epochs=3, views=1):
        component = parse_component(imbalance)
        images = np.arange(ROWS)
        return HeadJob(
            study=f"{tmp_path} {next(names)}",
            views=(clean, augmented)[:views],
            imbalance=bind(component, of_host.find(Imbalance, component.name)),
            train=(images[:50], labels[:50]),
            validation=(images[50:], labels[50:]),
            configuration=TrainingConfiguration(epochs=epochs, batch_size=16, patience=epochs),
            seed=3,
        )

    return make
