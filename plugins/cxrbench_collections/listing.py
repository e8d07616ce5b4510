"""Make the images of a dataset from the lines of a collection's tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, NamedTuple

from cxrbench.plugin import DataError, Images, Record
from cxrbench_collections.ages import OLDEST, age_in_years
from cxrbench_collections.licences import LICENCES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from cxrbench.plugin import ClassNames
    from cxrbench_collections.disk import FileReader
    from cxrbench_collections.labels import Answer

Split = Literal["train", "val", "test"]
NAMED = 12
"""Folders that a warning names."""


class Listed(NamedTuple):
    """What the tables say of one image.

    Attributes:
        answer: the label, or why the image is left out.
        age: as the table has it, or an empty string.
        absent: the folder of the image, if it is not on disk.
    """

    key: str
    patient: str
    answer: Answer
    view: str | None = None
    age: str = ""
    sex: str | None = None
    split: Split | None = None
    absent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What all images of a dataset have in common.

    Attributes:
        collection: the name of its declaration.
        name: of the dataset, for folders and tables.
        class_names: the names of the two classes.
        read: finds the image of a key.
        site: where all images were taken, if that is one place.
        warnings: those that the tables or the folders give.
        leaks: why no split can keep the images of a patient on one side.
    """

    collection: str
    name: str
    class_names: ClassNames
    read: FileReader
    site: str | None = None
    warnings: tuple[str, ...] = ()
    leaks: tuple[str, ...] = ()


def images_of(common: Collected, listed: Iterable[Listed], views: Collection[str | None]) -> Images:
    """Return the images that are on disk, have one of the views, and have a label, sorted by key; the others are counted.

    Each image that is left out is counted once, for the first of these reasons.

    Raises:
        DataError: no image is left, or an image is listed twice.
    """
    records: list[Record] = []
    absent, other_views, unlabelled, strange_ages = Counter[str](), Counter[str](), Counter[str](), 0
    for key, patient, answer, view, age, sex, split, folder in listed:
        if folder:
            absent[folder] += 1
        elif view not in views:
            other_views[view or "unknown"] += 1
        elif isinstance(answer, str):
            unlabelled[answer] += 1
        else:
            years = age_in_years(age) if age else None
            strange_ages += bool(age) and years is None
            records.append(
                Record(
                    key=key,
                    label=answer,
                    patient=patient,
                    split=split,
                    view=view,
                    age=years,
                    sex=sex,
                    site=common.site,
                    source=common.collection,
                )
            )
    records.sort(key=attrgetter("key"))
    left_out = tuple(_left_out(absent, other_views, unlabelled))
    _check(common.name, records, left_out)
    return Images(
        name=common.name,
        records=records,
        read=common.read,
        warnings=(*common.warnings, *left_out, *_ages(strange_ages)),
        class_names=common.class_names,
        licence_class=LICENCES[common.collection].kind,
        leaks=common.leaks,
    )


def dataset_name(collection: str, finding: str, usual: str) -> str:
    """Return the name of a dataset: that of its collection, and of the finding unless it is the usual one."""
    return collection if finding == usual else f"{collection}-{finding.casefold().replace(' ', '-')}"


def how_many(count: int) -> str:
    """Return a number of images in words."""
    return f"{count:,} image{'' if count == 1 else 's'}"


def _left_out(absent: Mapping[str, int], views: Mapping[str, int], unlabelled: Mapping[str, int]) -> Iterator[str]:
    """Yield a warning for each reason why images are left out."""
    if absent:
        more = f" and {len(absent) - NAMED} more" if len(absent) > NAMED else ""
        yield f"left out {how_many(sum(absent.values()))} whose folder is not on disk: {_counted(absent)}{more}"
    if views:
        yield f"left out {how_many(sum(views.values()))} of views that were not asked for: {_counted(views)}"
    for reason, count in sorted(unlabelled.items()):
        yield f"left out {how_many(count)} {reason}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in sorted(counts.items())[:NAMED])


def _ages(strange: int) -> Iterator[str]:
    if strange:
        yield f"{how_many(strange)} with an age above {OLDEST} years or one that cannot be read: the age is taken as unknown"


def _check(name: str, records: list[Record], left_out: Collection[str]) -> None:
    if not records:
        raise DataError(f"{name}: no image is left with these options. {'; '.join(left_out) or 'The tables list none'}")
    for before, record in pairwise(records):
        if before.key == record.key:
            raise DataError(f"{name}: the tables list {record.key} more than once: use the published tables")
