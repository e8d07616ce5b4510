"""What an entry is scored on: units, one for each fold of images and each seed of the head's training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.evaluation.predictions import Scored


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The scores of one fold's test images by a head trained with one seed.

    Attributes:
        fold: number of the fold; a patient lies in one fold alone.
        seed: number of the repeat.
        labels: int ``[n]``, pneumonia = 1.
        scores: float ``[n]`` in 0..1.
        patients: str ``[n]``.
        threshold: chosen on validation images; a score at or above it means pneumonia.
    """

    fold: int
    seed: int
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    patients: NDArray[np.str_]
    threshold: float


def unit_of(scored: Scored, threshold: float) -> Unit:
    """Return scored images with the threshold that was chosen for them."""
    return Unit(
        fold=scored.fold,
        seed=scored.seed,
        labels=scored.labels,
        scores=scored.scores,
        patients=scored.patients,
        threshold=threshold,
    )


def by_fold(units: Sequence[Unit]) -> dict[int, list[Unit]]:
    """Return the units of each fold, folds and seeds in order."""
    folds: dict[int, list[Unit]] = {}
    for unit in sorted(units, key=lambda unit: (unit.fold, unit.seed)):
        folds.setdefault(unit.fold, []).append(unit)
    return folds


def mean_over_folds(values: Mapping[int, Sequence[float]]) -> float:
    """Return the headline: the mean over folds of the mean over a fold's seeds."""
    return sum(sum(seeds) / len(seeds) for seeds in values.values()) / len(values)
