"""The stored table of predictions: the only thing that metrics are computed from."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from cxrbench.errors import CxrbenchError
from cxrbench.storage.files import write_text
from cxrbench.storage.json_records import require_regular
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

Subset = Literal["validation", "test", "external"]
SUBSETS: dict[str, Subset] = {"validation": "validation", "test": "test", "external": "external"}
Row = tuple[int, str, str, str, str]
"""A line's number, and its key, patient, label and score."""
LARGEST = 2**31
"""Bytes of a table: 100,000 images scored by 200 heads."""
LONGEST_KEY = 1000
WHOLE = re.compile(r"[0-9]{1,6}")
NUMBER = re.compile(r"[0-9.]+(?:[eE][+-]?[0-9]+)?")
COLUMNS = ("set", "fold", "seed", "key", "patient", "label", "score")


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """The scores that one head gave the images of one subset, and the threshold that was chosen for them.

    Attributes:
        subset: validation, test or external.
        fold: number of the fold whose training and validation images the head has seen.
        seed: number of the repeat of the head's training, from 0.
        keys, patients: text ``[n]``. A patient is in the test images of one fold only.
        labels: int ``[n]``, 1 for the positive class.
        scores: float64 ``[n]`` in 0..1.
        threshold: chosen on validation images; a score at or above it is a positive call. None before one is chosen.
    """

    subset: Subset
    fold: int
    seed: int
    keys: NDArray[np.str_]
    patients: NDArray[np.str_]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    threshold: float | None = None

    @property
    def operating_point(self) -> float:
        """The threshold; raises ValueError before one is chosen."""
        if self.threshold is None:
            raise ValueError(f"no threshold was chosen for fold {self.fold}, seed {self.seed}")
        return self.threshold

    def at(self, threshold: float) -> Predictions:
        """Return these predictions with a threshold."""
        return replace(self, threshold=threshold)


def write_predictions(path: Path, predictions: Iterable[Predictions]) -> None:
    """Write a CSV, scores in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(COLUMNS)
    for one in predictions:
        for key, patient, label, score in zip(one.keys, one.patients, one.labels, one.scores, strict=True):
            writer.writerow([one.subset, one.fold, one.seed, str(key), str(patient), int(label), float(score)])
    write_text(path, text.getvalue())


def read_predictions(path: Path, *, within: Path | None = None) -> list[Predictions]:
    """Return the scores of each set, fold and seed, in the order of the file.

    Args:
        path: of the table.
        within: the folder that it must lie in, links followed; its own if nothing is said.

    Raises:
        CxrbenchError: the file is not there, is too large, or is no such table; the message names the line.
    """
    if not path.exists():
        raise CxrbenchError(f"{path} is no table of predictions: there is no such file")
    require_regular(path, LARGEST, within=within or path.parent)
    rows: dict[tuple[str, str, str], list[Row]] = {}
    number = 0
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file, strict=True)
            if tuple(next(lines, ())) != COLUMNS:
                raise ValueError(f"its first line is not {','.join(COLUMNS)}")
            for cells in lines:
                number = lines.line_num
                part, fold, seed, key, patient, label, score = cells
                if len(key) > LONGEST_KEY or len(patient) > LONGEST_KEY:
                    raise ValueError(f"a key or patient of more than {LONGEST_KEY:,} signs")
                rows.setdefault((part, fold, seed), []).append((number, key, patient, label, score))
        found = [_scored(head, its_rows) for head, its_rows in rows.items()]
    except WrongRow as error:
        number, reason = error.number, str(error)
    except UnicodeDecodeError:
        reason = "it is no UTF-8 text"
    except csv.Error as error:
        number, reason = lines.line_num, str(error)
    except (OSError, ValueError) as error:
        reason = f"it has no {len(COLUMNS)} values" if "unpack" in str(error) else str(error)
    else:
        if len({(one.subset, one.fold, one.seed) for one in found}) == len(found):
            return found
        reason = "it has the scores of one fold and seed twice"
    where = f"line {number}: " if number else ""
    raise CxrbenchError(f"{path} is no table of predictions: {where}{as_line(reason)}")


class WrongRow(ValueError):
    """A row that cannot be meant, and its line."""

    def __init__(self, number: int, reason: str) -> None:
        """Say what is wrong with a line."""
        super().__init__(reason)
        self.number = number


def _scored(head: tuple[str, str, str], rows: list[Row]) -> Predictions:
    part, fold, seed = head
    numbers, keys, patients, labels, scores = zip(*rows, strict=True)
    if part not in SUBSETS:
        raise WrongRow(numbers[0], f"set {part!r} is none of validation, test and external")
    if not (WHOLE.fullmatch(fold) and WHOLE.fullmatch(seed)):
        raise WrongRow(numbers[0], f"fold {fold!r} or seed {seed!r} is no whole number")
    for number, label, score in zip(numbers, labels, scores, strict=True):
        if label not in {"0", "1"}:
            raise WrongRow(number, f"label {label!r} is neither 0 nor 1")
        if not NUMBER.fullmatch(score) or not 0 <= float(score) <= 1:
            raise WrongRow(number, f"score {score!r} does not lie in 0..1")
    if len(set(keys)) < len(keys):
        twice = next(index for index, key in enumerate(keys) if key in keys[:index])
        raise WrongRow(numbers[twice], f"the image {keys[twice]!r} is there twice")
    return Predictions(
        subset=SUBSETS[part],
        fold=int(fold),
        seed=int(seed),
        keys=np.array(keys),
        patients=np.array(patients),
        labels=np.array(labels, dtype=np.int64),
        scores=np.array(scores, dtype=np.float64),
    )


def of_subset(predictions: Iterable[Predictions], part: Subset) -> Mapping[tuple[int, int], Predictions]:
    """Return the predictions of one set by fold and seed."""
    return {(one.fold, one.seed): one for one in predictions if one.subset == part}


def by_fold(predictions: Sequence[Predictions]) -> dict[int, list[Predictions]]:
    """Return the predictions of each fold, sorted by fold and seed."""
    folds: dict[int, list[Predictions]] = {}
    for one in sorted(predictions, key=lambda one: (one.fold, one.seed)):
        folds.setdefault(one.fold, []).append(one)
    return folds


def mean_over_folds(values: Mapping[int, Sequence[float]]) -> float:
    """Return the headline: the mean over folds of the mean over a fold's seeds."""
    return sum(sum(seeds) / len(seeds) for seeds in values.values()) / len(values)
