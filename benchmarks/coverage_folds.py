"""Measure the coverage of intervals over K folds: how often they contain the mean of the true values over training sets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit
from simulated import AUCS, FEATURES, NAMES, Population, cross_validate, divide, draw_patients_and_labels, normal, separated

from cxrbench.evaluation.bootstrap import bootstrap_values, draw_patients
from cxrbench.evaluation.intervals import effective_patients, interval
from cxrbench.evaluation.metrics import search_metric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

IMAGES = 800
SETTINGS = ((5, True), (2, True), (3, True), (10, True), (5, False))
"""Folds, and whether a patient has few images."""
NADEAU_BENGIO, AS_ONE_SPLIT, CXRBENCH = "Nadeau and Bengio", "as if one split", "cxrbench"


def report(repeats: int) -> None:
    """Print one Markdown table for each number of folds."""
    for folds, few in SETTINGS:
        start = time.perf_counter()
        population = Population(IMAGES, few, folds)
        measured = {area: measure(population, area, repeats) for area in AUCS}
        seconds = time.perf_counter() - start
        print(f"\n{folds} folds, {2.5 if few else 8:g} images per patient on average, {repeats} data sets ({seconds:.0f} s)\n")
        columns = [(area, name) for name in NAMES for area in AUCS]
        print("| interval | " + " | ".join(f"{name} (AUC {area:g})" for area, name in columns) + " |")
        print("|---" * (len(columns) + 1) + "|")
        for kind in (NADEAU_BENGIO, AS_ONE_SPLIT, CXRBENCH):
            cells = [measured[area][kind, name] for area, name in columns]
            print(f"| {kind} | " + " | ".join("{:.1f} ({:.1f}, {:.1f}), width {:.4f}".format(*cell) for cell in cells) + " |")


def measure(population: Population, area: float, repeats: int) -> dict[tuple[str, str], tuple[float, ...]]:
    """Return the share of intervals, in %, with the truth inside, below and above, and their mean width."""
    separation = population.separation(area)
    truth, generator = population.true_means(separation), np.random.default_rng(1)
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for seed in range(repeats):
        for (kind, name), (low, high) in intervals(generator, population, separation, seed).items():
            value = truth[name]
            row = (100.0 * (low <= value <= high), 100.0 * (value < low), 100.0 * (value > high), high - low)
            found.setdefault((kind, name), []).append(row)
    return {key: tuple(np.mean(rows, axis=0).tolist()) for key, rows in found.items()}


def intervals(
    generator: np.random.Generator, population: Population, separation: float, seed: int
) -> Mapping[tuple[str, str], tuple[float, float]]:
    """Return every kind of interval of every metric on a new data set."""
    patients = draw_patients_and_labels(generator, population.images, population.few)
    features = separated(normal(generator, patients.patient, FEATURES), patients, separation)
    predictions = list(cross_validate(generator, features, patients, divide(generator, patients, population.folds)))
    draws = bootstrap_values(predictions, draw_patients(predictions, seed), prevalence=0.1, names=NAMES)
    effective, found = effective_patients(predictions), {}
    for name in NAMES:
        values = np.array([search_metric(name, one.labels, one.scores, one.chosen_threshold) for one in predictions])
        found[NADEAU_BENGIO, name] = nadeau_bengio(values)
        found[AS_ONE_SPLIT, name] = interval(name, [float(values.mean())], draws[name], effective)
        found[CXRBENCH, name] = interval(name, values.tolist(), draws[name], effective)
    return found


def nadeau_bengio(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the corrected resampled t-interval (Nadeau and Bengio, Machine Learning 2003), clipped to 0..1."""
    folds = len(values)
    half = -stdtrit(folds - 1, 0.025) * np.sqrt(values.var(ddof=1) * (1 / folds + 1 / (folds - 1)))
    return max(float(values.mean() - half), 0.0), min(float(values.mean() + half), 1.0)
