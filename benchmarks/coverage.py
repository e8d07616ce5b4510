"""Measure the coverage of 95 % intervals, and how often a test finds a difference between two equal classifiers.

    python benchmarks/coverage.py --repeats 400 [--only split|folds|ranks]

The true values of the simulated test sets are known in closed form: 624 images of patients with 1-15 images each, 3 of 4
patients in the positive class, scores normally distributed within a class, half of their variance shared within a patient.
Prints for each kind of interval, in %: how often it contains the true value, and how often that value is below and above it.
Intervals over folds (`coverage_folds.py`) and of ranks (`coverage_ranks.py`) follow, from recipes that really learn.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from coverage_folds import report as report_folds
from coverage_ranks import report as report_ranks
from machine import describe
from scipy.special import expit, logit, ndtr, ndtri
from simulated import AUCS, NAMES, draw_patients_and_labels, normal

from cxrbench.evaluation.bootstrap import FoldDraws, bootstrap_values, draw_patients
from cxrbench.evaluation.intervals import effective_patients, interval
from cxrbench.evaluation.metrics import metrics
from cxrbench.evaluation.paired_tests import paired_bootstrap, permutation_accuracy
from cxrbench.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

IMAGES = 624
Z = 1.959964


@dataclass(frozen=True, slots=True)
class Simulated:
    """One data set scored by two classifiers that are exactly equally good."""

    head: Predictions
    rival: Predictions
    truth: Mapping[str, float]


def simulate(generator: np.random.Generator, area: float, few: bool) -> Simulated:
    """Draw a data set with `few` images per patient (2.5 on average) or 1 to 15, evenly (8 on average)."""
    patients = draw_patients_and_labels(generator, IMAGES, few)
    distance = np.sqrt(2) * ndtri(area)
    shared, names = normal(generator, patients.patient), patients.names
    predictions = []
    for seed in (0, 1):
        noise = np.sqrt(0.5) * (shared + normal(generator, patients.patient))
        predictions.append(
            Predictions(
                subset="test",
                keys=names,
                fold=0,
                seed=seed,
                labels=patients.labels,
                scores=ndtr(distance * (patients.labels - 0.5) + noise),
                patients=names,
                threshold=0.5,
            )
        )
    return Simulated(*predictions, {"auc": area, "accuracy": float(ndtr(distance / 2))})


def percentile(point: float, values: NDArray[np.float64], left_out: NDArray[np.float64]) -> tuple[float, float]:
    """Return the quantiles of the bootstrap values."""
    del point, left_out
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def accelerated(point: float, values: NDArray[np.float64], left_out: NDArray[np.float64]) -> tuple[float, float]:
    """Return the BCa interval (Efron, JASA 1987); the acceleration comes from leaving out one patient at a time."""
    share = np.clip((values < point).mean() + (values == point).mean() / 2, 1e-4, 1 - 1e-4)
    apart = left_out.mean() - left_out
    skew = (apart**3).sum() / (6 * max((apart**2).sum(), 1e-300) ** 1.5)
    bias = ndtri(share)
    low, high = np.quantile(values, [ndtr(bias + (bias + z) / (1 - skew * (bias + z))) for z in (-Z, Z)])
    return float(low), float(high)


def on_logit_scale(point: float, values: NDArray[np.float64], left_out: NDArray[np.float64]) -> tuple[float, float]:
    """Return the interval on the logit scale, with the bootstrap's standard error and a normal quantile."""
    del left_out
    if not 0 < point < 1:
        return point, point
    half = Z * values.std(ddof=1) / (point * (1 - point))
    return float(expit(logit(point) - half)), float(expit(logit(point) + half))


ALTERNATIVES: Mapping[str, Callable[[float, NDArray[np.float64], NDArray[np.float64]], tuple[float, float]]] = {
    "percentile": percentile,
    "BCa": accelerated,
    "logit, normal quantile": on_logit_scale,
}
CXRBENCH = "cxrbench"


def leave_one_out(draws: Mapping[int, FoldDraws]) -> dict[int, FoldDraws]:
    """Return draws that leave out one patient each and still contain both classes."""
    fold = draws[0]
    weights = 1 - np.eye(len(fold.patients))
    both = (weights @ fold.positives > 0) & (weights @ (fold.images - fold.positives) > 0)
    return {0: FoldDraws(patients=fold.patients, images=fold.images, positives=fold.positives, weights=weights[both])}


def intervals(simulated: Simulated, seed: int) -> dict[tuple[str, str], tuple[float, float]]:
    """Return every kind of interval of every metric."""
    head = simulated.head
    draws = draw_patients([head], seed)
    values = bootstrap_values([head], draws, prevalence=0.1, names=NAMES)
    left_out = bootstrap_values([head], leave_one_out(draws), prevalence=0.1, names=NAMES)
    points, patients = metrics(head.labels, head.scores, head.threshold), effective_patients([head])
    found = {
        (kind, name): make(points[name], values[name], left_out[name]) for kind, make in ALTERNATIVES.items() for name in NAMES
    }
    return found | {(CXRBENCH, name): interval(name, [points[name]], values[name], patients) for name in NAMES}


def p_values(simulated: Simulated, seed: int) -> dict[str, float]:
    """Return the p-values of the difference between two equal classifiers."""
    first, second = [simulated.head], [simulated.rival]
    draws = draw_patients(first, seed)
    values = [bootstrap_values(predictions, draws, prevalence=0.1, names=("auc",))["auc"] for predictions in (first, second)]
    points = [metrics(head.labels, head.scores, head.threshold)["auc"] for head in (simulated.head, simulated.rival)]
    return {
        "auc": paired_bootstrap(values[0], values[1], points[:1], points[1:]).p,
        "accuracy": permutation_accuracy(first, second, seed, draws=1000),
    }


def measure(area: float, few: bool, repeats: int) -> tuple[dict[tuple[str, str], NDArray[np.float64]], dict[str, float]]:
    """Return (contained, truth below, truth above) for each interval and the share of p-values below 0.05, in %."""
    generator = np.random.default_rng(1)
    misses: dict[tuple[str, str], list[tuple[bool, bool, bool]]] = {}
    rejected: dict[str, list[bool]] = {}
    for seed in range(repeats):
        simulated = simulate(generator, area, few)
        for (kind, name), (low, high) in intervals(simulated, seed).items():
            truth = simulated.truth[name]
            misses.setdefault((kind, name), []).append((low <= truth <= high, truth < low, truth > high))
        for name, p in p_values(simulated, seed).items():
            rejected.setdefault(name, []).append(p < 0.05)
    return {key: 100 * np.mean(rows, axis=0) for key, rows in misses.items()}, {
        name: 100 * float(np.mean(rows)) for name, rows in rejected.items()
    }


def report_table(few: bool, repeats: int) -> None:
    """Print one Markdown table."""
    start = time.perf_counter()
    measured = {area: measure(area, few, repeats) for area in AUCS}
    print(
        f"\n{'2.5' if few else '8'} images per patient on average, {repeats} data sets ({time.perf_counter() - start:.0f} s)\n"
    )
    columns = [(area, name) for name in NAMES for area in AUCS]
    print("| interval | " + " | ".join(f"{name} (AUC {area:g})" for area, name in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for kind in (*ALTERNATIVES, CXRBENCH):
        cells = [measured[area][0][kind, name] for area, name in columns]
        print(f"| {kind} | " + " | ".join(f"{hit:.1f} ({below:.1f}, {above:.1f})" for hit, below, above in cells) + " |")
    print(
        "| p < 0.05 between equal classifiers | "
        + " | ".join(f"{measured[area][1][name]:.1f}" for area, name in columns)
        + " |"
    )


def report_split(repeats: int) -> None:
    """Print the tables of a single split."""
    for few in (False, True):
        report_table(few, repeats)


REPORTS = {"split": report_split, "folds": report_folds, "ranks": report_ranks}


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=400, help="data sets per column")
    parser.add_argument("--only", choices=REPORTS, help="tables of one kind")
    options = parser.parse_args()
    print(describe())
    for name, report in REPORTS.items():
        if options.only in {None, name}:
            report(options.repeats)


if __name__ == "__main__":
    main()
