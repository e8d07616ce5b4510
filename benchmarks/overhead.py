"""Compare the seconds of a whole search with those of its arithmetic: 50 trials on cached features.

    python benchmarks/overhead.py --width 256 2048

The arithmetic of an epoch is 4 x rows x width x 512 operations (forward pass and gradient of the weights), at the
matrix-product peak of the same workers before and after the search. Optimizer, validation, dropout, reading features,
proposing trials and waiting for the last trial of a generation are overhead.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import machine
import numpy as np

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.config.settings import Settings
from cxrbench.execution.executor import open_executor
from cxrbench.models.training.configuration import TrainingConfiguration
from cxrbench.models.training.jobs import HeadJob
from cxrbench.plugin import Engine, Imbalance
from cxrbench.plugin.host import load_host
from cxrbench.search.engine import build_engine
from cxrbench.search.record import StudyRecord
from cxrbench.search.study import Study, run_study, search_space
from cxrbench.storage.sharded_array import ShardedArray

if TYPE_CHECKING:
    from cxrbench.execution.executor import Executor
    from cxrbench.plugin import Trial

UNITS = 512
TRAIN, VALIDATION = 3651, 782


def main() -> None:
    """Print a Markdown table with a row for each width."""
    arguments = _arguments()
    print(
        f"{machine.describe()}\n\n{arguments.trials} trials, {TRAIN} training rows, {arguments.workers} workers, no pruning\n"
    )
    print(
        "| width | seconds | epochs trained | seconds per trial and core | GFLOP/s of matrix products | times the arithmetic |"
    )
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, open_executor(arguments.workers) as executor:
        for width in arguments.width:
            job = job_on(generated(Path(folder) / str(width), TRAIN + VALIDATION, width), TRAIN, epochs=arguments.epochs)
            before = machine.peak(executor, arguments.workers)
            start = time.perf_counter()
            trials = search(job, executor, arguments.trials, Path(folder) / f"{width}.journal")
            seconds = time.perf_counter() - start
            peak = (before + machine.peak(executor, arguments.workers)) / 2
            epochs = sum(len(trial.losses) for trial in trials)
            arithmetic = 4 * TRAIN * width * UNITS * epochs / (peak * 1e9)
            each = seconds * arguments.workers / len(trials)
            print(f"| {width} | {seconds:.1f} | {epochs} | {each:.2f} | {peak:.0f} | {seconds / arithmetic:.2f} |", flush=True)


def generated(folder: Path, rows: int, width: int) -> tuple[ShardedArray, np.ndarray]:
    """Return features on disk and labels that are as easy to predict from them as with real X-rays: AUC about 0.95."""
    features = ShardedArray(folder=folder, rows=rows, dtype="float32")
    kernel = np.random.default_rng(0).normal(size=(32, width)).astype(np.float32)
    labels = []
    for shard in range(features.shards):
        generator = np.random.default_rng([1, shard])
        start, stop = features.bounds(shard)
        hidden = generator.normal(size=(stop - start, 32)).astype(np.float32)
        noise = generator.normal(size=(stop - start, width)).astype(np.float32)
        features.write(shard, [np.maximum(hidden @ kernel / 6 + noise / 2, 0)])
        labels.append(hidden[:, 0] + np.abs(hidden[:, 1]) + 0.4 * generator.normal(size=stop - start) > 0.1)
    return features, np.concatenate(labels).astype(np.int64)


def job_on(
    data: tuple[ShardedArray, np.ndarray], train: int, *, epochs: int, batch_size: int | None = None, patience: int = 3
) -> HeadJob:
    """Return the job that trains heads on the first `train` rows and validates on the others."""
    features, labels = data
    rows = np.arange(len(labels))
    strategy = load_host().find(Imbalance, "none")
    batch_size = batch_size or Settings.model_fields["batch_size"].default
    return HeadJob(
        study=str(features.folder),
        views=(features,),
        imbalance=bind(parse_component("none"), strategy),
        train=(rows[:train], labels[:train]),
        validation=(rows[train:], labels[train:]),
        configuration=TrainingConfiguration(epochs=epochs, batch_size=batch_size, patience=patience),
        seed=0,
    )


def search(job: HeadJob, executor: Executor, trials: int, journal: Path) -> list[Trial]:
    """Run a whole study, as `cxrbench run` does for a recipe."""
    space = search_space("max-f1", {})
    engine = build_engine(bind(parse_component("optuna"), load_host().find(Engine, "optuna")), space, 0, trials)
    study = Study(
        job=job,
        job_of=lambda params: job,
        space=space,
        engine=engine,
        generation=_generation(),
        policy="max-f1",
        metric="auc",
        pruning="none",
        max_failures=trials,
        trials=trials,
    )
    return run_study(study, StudyRecord(journal, "overhead", space), executor, lambda trial: None)


def _generation() -> int:
    from cxrbench.config.protocol import Protocol

    return int(Protocol.model_fields["generation"].default)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", nargs="+", type=int, default=[256, 512, 1024, 2048])
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    return parser.parse_args()


if __name__ == "__main__":
    main()
