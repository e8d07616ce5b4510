"""The stored table of predictions: the only thing that metrics are computed from."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cxrbench.errors import CxrbenchError
from cxrbench.files import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

Part = Literal["validation", "test", "external"]
PARTS: dict[str, Part] = {"validation": "validation", "test": "test", "external": "external"}
COLUMNS = ("set", "fold", "seed", "key", "patient", "label", "score")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The scores that one head gave the images of one set, between 0 (normal) and 1 (pneumonia).

    Attributes:
        part: which set.
        fold: whose training and validation images the head has seen.
        seed: which repeat of the head's training, from 0.
        keys, patients: text ``[n]``.
        labels: int ``[n]``.
        scores: float64 ``[n]``.
    """

    part: Part
    fold: int
    seed: int
    keys: NDArray[np.str_]
    patients: NDArray[np.str_]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]


def write_predictions(path: Path, predictions: Iterable[Scored]) -> None:
    """Write a CSV, scores in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(COLUMNS)
    for one in predictions:
        for key, patient, label, score in zip(one.keys, one.patients, one.labels, one.scores, strict=True):
            writer.writerow([one.part, one.fold, one.seed, str(key), str(patient), int(label), float(score)])
    write_text(path, text.getvalue())


def read_predictions(path: Path) -> list[Scored]:
    """Return the scores of each set, fold and seed, in the order of the file.

    Raises:
        CxrbenchError: the file is not there or is no such table.
    """
    rows: dict[tuple[str, str, str], list[list[str]]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file)
            if tuple(next(lines, ())) != COLUMNS:
                raise ValueError(f"its first line is not {','.join(COLUMNS)}")
            for part, fold, seed, *row in lines:
                rows.setdefault((part, fold, seed), []).append(row)
        return [_scored(head, found) for head, found in rows.items()]
    except (OSError, ValueError) as error:
        raise CxrbenchError(f"{path} is no table of predictions: {error}") from None


def _scored(head: tuple[str, str, str], rows: list[list[str]]) -> Scored:
    part, fold, seed = head
    if part not in PARTS:
        raise ValueError(f"set {part!r} is none of validation, test and external")
    keys, patients, labels, scores = zip(*rows, strict=True)
    return Scored(
        part=PARTS[part],
        fold=int(fold),
        seed=int(seed),
        keys=np.array(keys),
        patients=np.array(patients),
        labels=np.array(labels, dtype=np.int64),
        scores=np.array(scores, dtype=np.float64),
    )


def of_part(predictions: Iterable[Scored], part: Part) -> Mapping[tuple[int, int], Scored]:
    """Return the predictions of one set by fold and seed."""
    return {(one.fold, one.seed): one for one in predictions if one.part == part}
