"""What the labels of a table mean."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from cxrbench.plugin import ClassNames, DataError
from cxrbench_datasets.classes import JOIN, Choice, Classes, Found, choose_classes
from cxrbench_datasets.image_files import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cxrbench_datasets.columns import Columns
    from cxrbench_datasets.table import Table
    from cxrbench_datasets.tree import Label

USUAL: Mapping[str, Label] = {"0": 0, "false": 0, "normal": 0, "1": 1, "true": 1, "pneumonia": 1}
CLASS_NAMES = ClassNames(negative="NORMAL", positive="PNEUMONIA")
UNLABELLED = "without a label"
_WHOLE_NUMBER = re.compile(r"([+-]?[0-9]+)[.,]0*")
"""As programs write 1 where some labels are missing, and spreadsheets with a decimal comma."""


def spelled(label: str) -> str:
    """Return a label in the spelling that is compared: 1 for 1.0."""
    number = _WHOLE_NUMBER.fullmatch(label)
    return number[1] if number else label


def spelled_choice(negative: object, positive: object) -> Choice:
    """Return the labels that a user chose."""
    texts = (JOIN.join(spelled(part) for part in str(text).split(JOIN)) for text in (negative, positive))
    return Choice(**dict(zip(("negative", "positive"), texts, strict=True)))


def read_labels(table: Table, columns: Columns) -> list[str]:
    """Return the label of each row, in the spelling that is compared."""
    written = [columns.get(row, "label") for row in table.rows]
    spellings = {label: spelled(label) for label in set(written)}
    return [spellings[label] for label in written]


def read_classes(table: Table, labels: Sequence[str], choice: Choice, source: str) -> Classes:
    """Return the classes that the labels of a table, from `read_labels`, stand for.

    Raises:
        DataError: it is unclear what a label means.
    """
    counts = _counts(labels)
    found = Found(dataset="manifest", source=source, counts={name: count for name, count in counts.items() if name})
    if choice.is_made:
        return choose_classes(choice, found)
    if any(label.casefold() not in USUAL for label in counts):
        row, label = next((row, one) for row, one in enumerate(labels) if one.casefold() not in USUAL)
        problem = f"line {table.lines[row]} has the label {label!r}, which is neither 0, false, normal nor 1, true, pneumonia"
        raise _invalid(table.where(row), label, found, problem)
    return Classes(names=CLASS_NAMES, labels=USUAL)


def left_out(labels: Sequence[str], classes: Classes) -> Iterator[str]:
    """Yield a warning of the images whose class is not read."""
    counts = _counts(labels)
    others = {name or UNLABELLED: count for name, count in counts.items() if name.casefold() not in classes.labels}
    if total := sum(others.values()):
        images = f"{total:,} of {len(labels):,} images"
        yield f"ignored classes that are neither the positive nor the negative one: {images} in {listed(others)}"


def _counts(labels: Sequence[str]) -> dict[str, int]:
    """Return the number of images of each label, most first, by its first spelling."""
    spellings: dict[str, str] = {}
    counts = Counter[str]()
    for label, count in Counter(labels).items():
        counts[spellings.setdefault(label.casefold(), label)] += count
    return {name: counts[name] for name in sorted(counts, key=lambda name: (-counts[name], name))}


def _invalid(where: str, label: str, found: Found, problem: str) -> DataError:
    if label and len(found.counts) > 1:
        return found.unclear(problem)
    write = "write 0 or normal, or 1 or pneumonia"
    choose = "" if label else "; with --positive and --negative, images without a label are left out"
    return DataError(f"{where}: label {label!r} is not valid: {write}{choose}")
