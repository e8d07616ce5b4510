"""Measure the cost of a ranking: rank intervals, probabilities of being first, and Holm tests against the leader.

    python benchmarks/ranking.py

100 entries of 624 predictions, 20 entries of 5 folds x 3 seeds x 5,216 images, and 50 entries of 25,000 images, each on 2,000
resamplings of the patients; then 100 entries of 5,216 images in 2 folds under four shifts. Reading the prediction tables is not
counted; one of 25,000 images is written and read at the end.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from machine import describe, watched_memory
from scipy.special import expit

from cxrbench.config.protocol import Protocol
from cxrbench.evaluation.bootstrap import DRAWS
from cxrbench.evaluation.prediction_table import read_predictions, write_predictions
from cxrbench.evaluation.predictions import Predictions
from cxrbench.evaluation.ranking import resample, standings
from cxrbench.evaluation.shifted import SEEDS_PER_SHIFT
from cxrbench.evaluation.summary import summarise
from cxrbench.leaderboard.shifted_ranks import UnderShifts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SIZES = ((100, 624, 1, 1), (20, 5216, 5, 3), (50, 25_000, 1, 1))
UNDER_SHIFTS = (100, 5216, 2, 4)
"""Entries, images, folds and shifts."""


def main() -> None:
    """Print a Markdown table."""
    print(f"{describe()}\n\n{DRAWS} resamplings\n")
    print(
        "| entries | images | folds | seeds | by | standings, s | processor s | most memory | behind the leader | summary, s |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for entries, images, folds, seeds in SIZES:
        predictions = {f"entry-{number}": heads for number, heads in enumerate(simulated(entries, images, folds, seeds))}
        for metric in ("auc", "accuracy", "ece"):
            row = (entries, images, folds, seeds, metric, *measured(predictions, metric))
            print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)
    print(f"\nA table of {images:,} images: {measured_table(predictions['entry-0'])}")
    print("\n| entries | images | folds | shifts | ranks under shifts, s | standings by auc, s |\n|---|---|---|---|---|---|")
    print("| " + " | ".join(str(cell) for cell in (*UNDER_SHIFTS, *measured_under_shifts())) + " |")


def measured(predictions: Mapping[str, list[Predictions]], metric: str) -> tuple[str, ...]:
    """Return seconds, processor seconds and memory of all standings, the entries behind the leader, seconds of a summary."""
    start, processor = time.perf_counter(), time.process_time()
    with watched_memory(every=0.2) as memory:
        found = standings(predictions, resample(predictions, {metric, "auc"}, seed=0, prevalence=0.1), metric=metric, seed=0)
    ranked, processor = time.perf_counter() - start, time.process_time() - processor
    start = time.process_time()
    summarise(predictions["entry-0"], seed=0, prevalence=0.1, also_at=(0.5, 0.7))
    behind = sum(not standing.tied for standing in found.values())
    summary = time.process_time() - start
    return f"{ranked:.2f}", f"{processor:.2f}", f"{memory.peak / 1e9:.2f} GB", str(behind), f"{summary:.2f}"


def measured_table(predictions: list[Predictions]) -> str:
    """Return the bytes of a stored table of predictions, and the processor seconds of writing and of reading it."""
    with tempfile.TemporaryDirectory() as folder:
        path, start = Path(folder) / "table.npz", time.process_time()
        write_predictions(path, predictions)
        written = time.process_time() - start
        read_predictions(path)
        read = time.process_time() - start - written
        return f"{path.stat().st_size / 1e6:.2f} MB, written in {written:.2f} s, read in {read:.2f} s"


def measured_under_shifts() -> tuple[str, str]:
    """Return the seconds of all ranks under shifts, and of the standings of the same entries under one of the shifts."""
    heads = {f"entry-{number}": found for number, found in enumerate(simulated(*UNDER_SHIFTS))}
    shifted = {name: tuple(replace(one, seed=SEEDS_PER_SHIFT * one.seed) for one in found) for name, found in heads.items()}
    start = time.perf_counter()
    UnderShifts(predictions=shifted, protocol=Protocol.model_construct(seed=0, prevalence=0.1)).ranks  # noqa: B018
    ranked = time.perf_counter() - start
    return f"{ranked:.2f}", measured({name: [one for one in found if one.seed == 0] for name, found in heads.items()}, "auc")[0]


def simulated(entries: int, images: int, folds: int, seeds: int) -> Iterator[list[Predictions]]:
    """Yield increasingly worse entries on the same images, two per patient on average."""
    generator = np.random.default_rng(0)
    patient = np.unique(generator.integers(images // 2, size=images), return_inverse=True)[1]
    people = int(patient.max()) + 1
    labels = (generator.random(people) < 0.74).astype(np.int64)[patient]
    fold = generator.integers(folds, size=people)[patient]
    names = np.array([f"person-{number}" for number in patient])
    shared = generator.normal(size=people)[patient] + generator.normal(size=images)
    for number in range(entries):
        scores = [expit(shared + generator.normal(size=images) + (labels - 0.5) * (4 - 0.02 * number)) for _ in range(seeds)]
        yield [
            Predictions(
                subset="test",
                keys=names[fold == which],
                fold=which,
                seed=seed,
                labels=labels[fold == which],
                scores=scores[seed][fold == which],
                patients=names[fold == which],
                threshold=0.5,
            )
            for which in range(folds)
            for seed in range(seeds)
        ]


if __name__ == "__main__":
    main()
