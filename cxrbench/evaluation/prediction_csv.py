"""Predictions as CSV: for people on request, and as earlier versions stored them."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.evaluation.predictions import MEAN_OF_SEEDS, SUBSETS, Predictions
from cxrbench.storage.safe_text import as_cell

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TableRow = tuple[int, str, str, str, str]
"""Line number, key, patient, label and score."""
LARGEST_CSV_BYTES = 2**31
"""Enough for 100,000 images scored by 200 heads."""
LONGEST_KEY = 1000
WHOLE_NUMBER = re.compile(r"[0-9]{1,6}")
SCORE_TEXT = re.compile(r"[0-9.]+(?:[eE][+-]?[0-9]+)?")
TABLE_COLUMNS = ("set", "fold", "seed", "key", "patient", "label", "score")
MEAN = "mean"
"""The seed of the mean of a fold's heads."""


def predictions_as_csv(predictions: Iterable[Predictions]) -> str:
    """Return predictions as CSV, one line for each score, in full precision; text is made safe for spreadsheets.

    The groups of the images follow in columns of their own, such as ``sex``.
    """
    text, heads = io.StringIO(), list(predictions)
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    columns = tuple(dict.fromkeys(column for head in heads for column in head.groups))
    writer.writerow([*TABLE_COLUMNS, *map(as_cell, columns)])
    for head in heads:
        seed = MEAN if head.seed == MEAN_OF_SEEDS else head.seed
        texts = (head.keys, head.patients, *(head.groups.get(column, np.full(len(head.keys), "")) for column in columns))
        safe = zip(*(map(as_cell, values.tolist()) for values in texts), strict=True)
        for (key, patient, *groups), label, score in zip(safe, head.labels.tolist(), head.scores.tolist(), strict=True):
            writer.writerow([head.subset, head.fold, seed, key, patient, label, score, *groups])
    return text.getvalue()


def read_csv_predictions(path: Path) -> list[Predictions]:
    """Return the predictions of each subset, fold and seed, in the order of the file; raise ValueError with the line."""
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
        return [_parse_rows(*head, head_rows) for head, head_rows in rows.items()]
    except InvalidRow as error:
        number, reason = error.number, str(error)
    except UnicodeDecodeError:
        reason = "not UTF-8 text"
    except csv.Error as error:
        number, reason = lines.line_num, str(error)
    except (OSError, ValueError) as error:
        reason = f"expected {len(TABLE_COLUMNS)} values" if "unpack" in str(error) else str(error)
    raise ValueError(f"line {number}: {reason}" if number else reason)


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
    if not (WHOLE_NUMBER.fullmatch(fold) and (seed == MEAN or WHOLE_NUMBER.fullmatch(seed))):
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
        subset=subset,
        fold=int(fold),
        seed=MEAN_OF_SEEDS if seed == MEAN else int(seed),
        keys=np.array(keys),
        patients=np.array(patients),
        labels=np.array(labels, dtype=np.int64),
        scores=np.array(scores, dtype=np.float64),
    )
