"""The stored table of predictions: the only thing that metrics are computed from."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cxrbench.files import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

COLUMNS = ("set", "fold", "seed", "key", "patient", "label", "score")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One image's score, between 0 (normal) and 1 (pneumonia)."""

    set: Literal["validation", "test"]
    fold: int
    seed: int
    key: str
    patient: str
    label: int
    score: float


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write a CSV, scores in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(COLUMNS)
    for row in predictions:
        writer.writerow([row.set, row.fold, row.seed, row.key, row.patient, row.label, float(row.score)])
    write_text(path, text.getvalue())


def read_predictions(path: Path, part: Literal["validation", "test"]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the labels and scores of one set."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == part]
    return np.array([int(row["label"]) for row in rows]), np.array([float(row["score"]) for row in rows])
