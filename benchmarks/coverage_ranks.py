"""Measure how often the rank interval of a row contains its true rank; equally good rows must have all ranks that they share.

One split: the rows are heads, whose true values are known. Folds: the rows are recipes that learn anew from each data set, and
the truth is the mean over training sets.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri
from simulated import AUCS, FEATURES, NAMES, Population, cross_validate, divide, draw_patients_and_labels, normal, separated

from cxrbench.evaluation.bootstrap import bootstrap_values, draw_patients
from cxrbench.evaluation.metrics import search_metric
from cxrbench.evaluation.predictions import Predictions
from cxrbench.evaluation.rank_intervals import difference_variances, rank_intervals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Ends: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
    Rows: TypeAlias = list[list[Predictions]]

ROWS = 6
STEPS = (0.0, 0.01, 0.1)
"""How much closer the classes are for a row than for the row before, as a share of their distance for the first row."""
SINGLE, FOLDED = 624, 800
FOLDS = 5
DRAWS = 500
"""A quarter of a leaderboard's, to save time; a standard error from them is right within 3 %."""
QUANTILES, PATIENTS_ALONE, CXRBENCH = "quantiles over draws", "tests, patients alone", "cxrbench"


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of data set and of rows."""

    folds: int
    step: float

    @property
    def shares(self) -> Floats:
        """The distance between the classes of each row, as a share of the first one's."""
        return 1 - self.step * np.arange(ROWS)

    def data_sets(self, area: float, repeats: int) -> Iterator[Rows]:
        """Yield the predictions of every row, for each data set."""
        generator = np.random.default_rng(1)
        separation = Population(FOLDED, few=True, folds=FOLDS).separation(area) if self.folds > 1 else np.sqrt(2) * ndtri(area)
        draw = partial(recipes if self.folds > 1 else heads, generator, separation * self.shares)
        return (draw() for _ in range(repeats))


def heads(generator: np.random.Generator, separations: Floats) -> Rows:
    """Return the predictions of one head a row, which share half of their errors."""
    patients = draw_patients_and_labels(generator, SINGLE, few=True)
    shared, names, rows = normal(generator, patients.patient), patients.names, []
    for separation in separations:
        noise = np.sqrt(0.5) * (shared + normal(generator, patients.patient))
        scores = ndtr(separation * (patients.labels - 0.5) + noise)
        head = Predictions(
            subset="test",
            keys=names,
            fold=0,
            seed=0,
            labels=patients.labels,
            scores=scores,
            patients=names,
            threshold=0.5,
        )
        rows.append([head])
    return rows


def recipes(generator: np.random.Generator, separations: Floats) -> Rows:
    """Return the predictions of one recipe a row, cross-validated on features that share half of their noise."""
    patients = draw_patients_and_labels(generator, FOLDED, few=True)
    fold, shared, rows = divide(generator, patients, FOLDS), normal(generator, patients.patient, FEATURES), []
    for separation in separations:
        noise = np.sqrt(0.5) * (shared + normal(generator, patients.patient, FEATURES))
        features = separated(noise, patients, float(separation))
        rows.append(list(cross_validate(generator, features, patients, fold)))
    return rows


def report(repeats: int) -> None:
    """Print one Markdown table for a single split and one for folds."""
    columns = [(area, name) for name in NAMES for area in AUCS]
    for folds in (1, FOLDS):
        start = time.perf_counter()
        lines = [line for step in STEPS for line in lines_of(Case(folds, step), repeats)]
        kind, seconds = f"{folds} folds" if folds > 1 else "one split", time.perf_counter() - start
        print(f"\n{ROWS} rows, {kind}, 2.5 images per patient on average, {repeats} data sets ({seconds:.0f} s)\n")
        print("| rows | rank interval | " + " | ".join(f"{name} (AUC {area:g})" for area, name in columns) + " |")
        print("|---" * (len(columns) + 2) + "|")
        print("\n".join(lines), flush=True)


def lines_of(case: Case, repeats: int) -> Iterator[str]:
    """Yield a line per kind of interval: coverage in %, mean and least of the rows, and the mean number of ranks."""
    measured = {area: measure(case, area, repeats) for area in AUCS}
    for kind in (QUANTILES, PATIENTS_ALONE, CXRBENCH) if case.folds > 1 else (QUANTILES, CXRBENCH):
        cells = [measured[area][kind, name] for name in NAMES for area in AUCS]
        shown = [f"{100 * row[:, 0].mean():.1f} ({100 * row[:, 0].min():.1f}), {row[:, 1].mean():.1f} ranks" for row in cells]
        yield f"| {f'{case.step:.0%} apart' if case.step else 'equal'} | {kind} | {' | '.join(shown)} |"


def measure(case: Case, area: float, repeats: int) -> dict[tuple[str, str], Floats]:
    """Return the share of intervals with all true ranks and the mean number of ranks, ``[rows, 2]``, by kind and metric."""
    shares = case.shares
    best, worst = 1 + (shares > shares[:, None]).sum(axis=1), (shares >= shares[:, None]).sum(axis=1)
    found: dict[tuple[str, str], list[Floats]] = {}
    for seed, rows in enumerate(case.data_sets(area, repeats)):
        for key, (low, high) in intervals(rows, seed).items():
            covered = (low <= best) & (high >= worst)
            found.setdefault(key, []).append(np.stack([covered, high - low + 1.0], axis=1))
    return {key: np.mean(values, axis=0) for key, values in found.items()}


def intervals(rows: Rows, seed: int) -> dict[tuple[str, str], Ends]:
    """Return every kind of rank interval by every metric."""
    patients = draw_patients(rows[0], seed, DRAWS)
    by_row = [bootstrap_values(row, patients, prevalence=0.1, names=NAMES) for row in rows]
    found = {}
    for name in NAMES:
        draws = np.stack([values[name] for values in by_row])
        folds = np.array([[search_metric(name, one.labels, one.scores, one.chosen_threshold) for one in row] for row in rows])
        means = np.round(folds.mean(axis=1), 12)
        found[QUANTILES, name] = quantiles(draws)
        found[PATIENTS_ALONE, name] = rank_intervals(means, difference_variances(draws, means[:, None]))
        found[CXRBENCH, name] = rank_intervals(means, difference_variances(draws, folds))
    return found


def quantiles(draws: Floats) -> Ends:
    """Return the 2.5 % and 97.5 % quantiles of a row's rank over draws (Hall and Miller, Annals of Statistics 2009)."""
    values = np.round(draws, 12)
    best = 1 + (values[None] > values[:, None]).sum(axis=1)
    worst = (values[None] >= values[:, None]).sum(axis=1)
    low = np.quantile(best, 0.025, axis=1, method="inverted_cdf")
    return low.astype(np.int64), np.quantile(worst, 0.975, axis=1, method="inverted_cdf").astype(np.int64)
