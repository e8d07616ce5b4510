"""What there is in a dataset, counted for tables: split, view, sex, age and size by class."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

from cxrbench.data.columns import years_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cxrbench.data.decoding.facts import FileFacts
    from cxrbench.plugin.contracts import Record

SPLITS = ("train", "val", "test", "")
"""The tags of sources, in the order of tables; the last one stands for images without a tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The images of one split, view and sex.

    Attributes:
        split, view, sex: as records have them; empty if unknown.
        negatives, positives: images of each class.
        patients: different patients.
    """

    split: str
    view: str
    sex: str
    negatives: int
    positives: int
    patients: int

    @property
    def images(self) -> int:
        """The images of both classes."""
        return self.negatives + self.positives


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The known values among those of some images.

    Attributes:
        least, middle, most: minimum, median and maximum; None if no value is known.
        unknown: images whose value is unknown.
    """

    least: float | None
    middle: float | None
    most: float | None
    unknown: int


def composition(records: Sequence[Record]) -> list[Cell]:
    """Count the images of each split, view and sex, sorted by split and then by number of images."""
    written: dict[tuple[str | None, str | None, str | None], list[Record]] = {}
    for record in records:
        written.setdefault((record.split, record.view, record.sex), []).append(record)
    found: dict[tuple[str, str, str], list[Record]] = {}
    for (split, view, sex), some in written.items():
        place = split or "", " ".join((view or "").split()), " ".join((sex or "").split())
        found.setdefault(place, []).extend(some)
    cells = [
        Cell(split=split, view=view, sex=sex, negatives=len(some) - positives, positives=positives, patients=patients)
        for (split, view, sex), some in found.items()
        for positives, patients in [(sum(record.label for record in some), len({record.patient for record in some}))]
    ]
    return sorted(cells, key=lambda cell: (SPLITS.index(cell.split), -cell.images, cell.view, cell.sex))


def ages_by_label(records: Iterable[Record]) -> tuple[Range, Range]:
    """Return the ages in years of the negative and of the positive images."""
    ages: tuple[list[float | None], list[float | None]] = ([], [])
    years: dict[str | None, float | None] = {None: None}
    for record in records:
        if record.age is not None and record.age not in years:
            years[record.age] = years_of(record.age)
        ages[record.label].append(years[record.age])
    return _range(ages[0]), _range(ages[1])


def sizes_by_label(
    records: Sequence[Record], files: Sequence[FileFacts], side: Literal["width", "height"]
) -> tuple[Range, Range]:
    """Return the range of a side in pixels of the negative and of the positive image files."""
    sides: tuple[list[float | None], list[float | None]] = ([], [])
    for record, file in zip(records, files, strict=True):
        sides[record.label].append(file.width if side == "width" else file.height)
    return _range(sides[0]), _range(sides[1])


def _range(values: Sequence[float | None]) -> Range:
    known = [value for value in values if value is not None]
    if not known:
        return Range(least=None, middle=None, most=None, unknown=len(values))
    return Range(least=min(known), middle=median(known), most=max(known), unknown=len(values) - len(known))
