"""Measure the seconds of a ranking: rank intervals, probabilities of being first, and Holm tests against the leader.

    python benchmarks/ranking.py

100 entries of 624 predictions, and 20 entries of 5 folds x 3 seeds x 5,216 images, each on 2,000 resamplings of the patients.
Reading the tables of predictions is not counted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from machine import describe
from scipy.special import expit

from cxrbench.evaluation.bootstrap import DRAWS
from cxrbench.evaluation.predictions import Predictions
from cxrbench.evaluation.ranking import resample, standings
from cxrbench.evaluation.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SIZES = ((100, 624, 1, 1), (20, 5216, 5, 3))


def main() -> None:
    """Print a Markdown table."""
    print(f"{describe()}\n\n{DRAWS} resamplings\n")
    print("| entries | images | folds | seeds | by | standings, s | different from the leader | summary of an entry, s |")
    print("|---|---|---|---|---|---|---|---|")
    for entries, images, folds, seeds in SIZES:
        scored = {f"entry-{number}": list(units) for number, units in enumerate(simulated(entries, images, folds, seeds))}
        for metric in ("auc", "accuracy", "ece"):
            row = (entries, images, folds, seeds, metric, *measured(scored, metric))
            print("| " + " | ".join(str(cell) for cell in row) + " |")


def measured(scored: Mapping[str, list[Predictions]], metric: str) -> tuple[str, int, str]:
    """Return the seconds of all standings, how many differ from the leader, and the seconds of one summary."""
    start = time.perf_counter()
    found = standings(scored, resample(scored, {metric, "auc"}, seed=0, prevalence=0.1), metric=metric, seed=0)
    ranked = time.perf_counter() - start
    summarise(scored["entry-0"], seed=0, prevalence=0.1, also_at=(0.5, 0.7))
    summary = time.perf_counter() - start - ranked
    return f"{ranked:.2f}", sum(not standing.tied for standing in found.values()), f"{summary:.2f}"


def simulated(entries: int, images: int, folds: int, seeds: int) -> Iterator[list[Predictions]]:
    """Yield entries of falling quality on the same images, two per patient on average."""
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
