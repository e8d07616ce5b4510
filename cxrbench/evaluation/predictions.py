"""The stored table of predictions, the only source of metrics."""

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
TableRow = tuple[int, str, str, str, str]
"""Line number, key, patient, label and score."""
LARGEST_TABLE_BYTES = 2**31
"""Enough for 100,000 images scored by 200 heads."""
LONGEST_KEY = 1000
MEAN_OF_SEEDS = -1
"""In place of a seed: the mean of the logits of the heads of all seeds of a fold."""
MEAN_IN_TABLE = "mean"
WHOLE_NUMBER = re.compile(r"[0-9]{1,6}")
SCORE_TEXT = re.compile(r"[0-9.]+(?:[eE][+-]?[0-9]+)?")
TABLE_COLUMNS = ("set", "fold", "seed", "key", "patient", "label", "score")


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """The scores of one head for the images of one subset, and their threshold.

    Attributes:
        subset: validation, test or external.
        fold: number of the fold that the head was trained and validated on.
        seed: number of the training repeat, from 0, or `MEAN_OF_SEEDS`.
        keys, patients: text ``[n]``. A patient is in the test images of one fold only.
        labels: int ``[n]``, 1 for the positive class.
        scores: float64 ``[n]`` in 0..1.
        threshold: chosen on validation images; a score at or above it is a positive call. None until one is chosen.
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
    def chosen_threshold(self) -> float:
        """The threshold. Raises ValueError if none is chosen yet."""
        if self.threshold is None:
            raise ValueError(f"fold {self.fold}, seed {self.seed}: no threshold is chosen yet")
        return self.threshold

    def at(self, threshold: float) -> Predictions:
        """Return a copy with this threshold."""
        return replace(self, threshold=threshold)


def write_predictions(path: Path, predictions: Iterable[Predictions]) -> None:
    """Write a CSV file, scores in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(TABLE_COLUMNS)
    for head in predictions:
        seed = MEAN_IN_TABLE if head.seed == MEAN_OF_SEEDS else head.seed
        for key, patient, label, score in zip(head.keys, head.patients, head.labels, head.scores, strict=True):
            writer.writerow([head.subset, head.fold, seed, str(key), str(patient), int(label), float(score)])
    write_text(path, text.getvalue())


def read_predictions(path: Path, *, within: Path | None = None) -> list[Predictions]:
    """Return the predictions of each subset, fold and seed, in the order of the file.

    Args:
        path: of the table.
        within: the folder that must contain it after resolving links; default: the file's own folder.

    Raises:
        CxrbenchError: the file does not exist, is too large, or is not a valid table; the message names the line.
    """
    if not path.exists():
        raise CxrbenchError(f"{path} is not a valid predictions table: the file does not exist")
    require_regular(path, LARGEST_TABLE_BYTES, within=within or path.parent)
    rows: dict[tuple[str, str, str], list[TableRow]] = {}
    number = 0
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file, strict=True)
            if tuple(next(lines, ())) != TABLE_COLUMNS:
                raise ValueError(f"the first line must be {','.join(TABLE_COLUMNS)}")
            for cells in lines:
                number = lines.line_num
                subset, fold, seed, key, patient, label, score = cells
                if len(key) > LONGEST_KEY or len(patient) > LONGEST_KEY:
                    raise ValueError(f"key or patient is longer than {LONGEST_KEY:,} characters")
                rows.setdefault((subset, fold, seed), []).append((number, key, patient, label, score))
        predictions = [_parse_rows(*head, head_rows) for head, head_rows in rows.items()]
    except InvalidRow as error:
        number, reason = error.number, str(error)
    except UnicodeDecodeError:
        reason = "not UTF-8 text"
    except csv.Error as error:
        number, reason = lines.line_num, str(error)
    except (OSError, ValueError) as error:
        reason = f"expected {len(TABLE_COLUMNS)} values" if "unpack" in str(error) else str(error)
    else:
        if len({(head.subset, head.fold, head.seed) for head in predictions}) == len(predictions):
            return predictions
        reason = "one fold and seed appears twice in a subset"
    where = f"line {number}: " if number else ""
    raise CxrbenchError(f"{path} is not a valid predictions table: {where}{as_line(reason)}")


class InvalidRow(ValueError):
    """An invalid row and its line number."""

    def __init__(self, number: int, reason: str) -> None:
        """Store the reason and the line number."""
        super().__init__(reason)
        self.number = number


def _parse_rows(subset: str, fold: str, seed: str, rows: list[TableRow]) -> Predictions:
    numbers, keys, patients, labels, scores = zip(*rows, strict=True)
    if subset not in SUBSETS:
        raise InvalidRow(numbers[0], f"set {subset!r} must be validation, test or external")
    if not (WHOLE_NUMBER.fullmatch(fold) and (WHOLE_NUMBER.fullmatch(seed) or seed == MEAN_IN_TABLE)):
        raise InvalidRow(numbers[0], f"fold {fold!r} and seed {seed!r} must be whole numbers")
    for number, label, score in zip(numbers, labels, scores, strict=True):
        if label not in {"0", "1"}:
            raise InvalidRow(number, f"label {label!r} must be 0 or 1")
        if not SCORE_TEXT.fullmatch(score) or not 0 <= float(score) <= 1:
            raise InvalidRow(number, f"score {score!r} must be a number in 0..1")
    if len(set(keys)) < len(keys):
        twice = next(index for index, key in enumerate(keys) if key in keys[:index])
        raise InvalidRow(numbers[twice], f"image {keys[twice]!r} appears twice")
    return Predictions(
        subset=SUBSETS[subset],
        fold=int(fold),
        seed=MEAN_OF_SEEDS if seed == MEAN_IN_TABLE else int(seed),
        keys=np.array(keys),
        patients=np.array(patients),
        labels=np.array(labels, dtype=np.int64),
        scores=np.array(scores, dtype=np.float64),
    )


def of_subset(predictions: Iterable[Predictions], subset: Subset) -> Mapping[tuple[int, int], Predictions]:
    """Return the predictions of the single heads for one subset, by (fold, seed)."""
    heads = (head for head in predictions if head.subset == subset and head.seed != MEAN_OF_SEEDS)
    return {(head.fold, head.seed): head for head in heads}


def means_of_seeds(predictions: Iterable[Predictions], subset: Subset) -> Mapping[int, Predictions]:
    """Return the predictions of the means of seeds for one subset, by fold."""
    return {one.fold: one for one in predictions if one.subset == subset and one.seed == MEAN_OF_SEEDS}


def by_fold(predictions: Sequence[Predictions]) -> dict[int, list[Predictions]]:
    """Return the predictions of each fold, sorted by fold and seed."""
    folds: dict[int, list[Predictions]] = {}
    for head in sorted(predictions, key=lambda head: (head.fold, head.seed)):
        folds.setdefault(head.fold, []).append(head)
    return folds
