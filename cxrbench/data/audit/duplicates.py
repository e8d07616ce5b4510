"""Find patients and films that a split has on both sides, and films under two labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.audit.findings import Finding, examples
from cxrbench.data.audit.near import near_pairs
from cxrbench.data.groups import differ_within, numbered, repeated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.data.audit.findings import Severity
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.split import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """A data set, where each split puts its images, and how grave it is to find one thing on two sides.

    Attributes:
        parts: int ``[splits, rows]``: 0 for training, 1 for validation, 2 for test, -1 for none.
        severity: of a patient or a film that is in more than one part.
    """

    dataset: LoadedDataset
    parts: NDArray[np.int64]
    severity: Severity

    def divided(self, group: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the rows whose group is in more than one part of any split, bool ``[rows]``."""
        found = np.zeros(len(group), dtype=bool)
        for part in self.parts:
            found |= differ_within(group, part)
        return found

    def finding(self, check: str, severity: Severity, rows: NDArray[np.int64], message: str) -> Finding:
        """Return a finding about some rows."""
        return Finding(check=check, severity=severity, count=len(rows), message=message, examples=examples(self.dataset, rows))


def sides_of(dataset: LoadedDataset, splits: Sequence[Split], *, permitted: bool) -> Sides:
    """Return the sides of all splits; `permitted` says that patients and films may be on both, as in the literature."""
    parts = np.full((len(splits), len(dataset.records)), -1, dtype=np.int64)
    for part, split in zip(parts, splits, strict=True):
        for number, rows in enumerate((split.train, split.validation, split.test)):
            part[rows] = number
    return Sides(dataset=dataset, parts=parts, severity="warning" if permitted else "leak")


def shared_patients(sides: Sides) -> Iterator[Finding]:
    """Find the patients with images in more than one part."""
    patients = numbered(sides.dataset.patients)
    if len(rows := _by_group(patients, sides.divided(patients))):
        count = len(np.unique(patients[rows]))
        yield sides.finding(
            "shared-patients",
            sides.severity,
            rows,
            f"{len(rows):,} images are of {_count(count, 'patient')} with images on both sides of the split: the result says "
            "little about new patients",
        )


def copies(sides: Sides, small: NDArray[np.uint8]) -> Iterator[Finding]:
    """Find the same film in several files: byte for byte, pixel for pixel, nearly; and under two labels.

    Args:
        sides: where the images are.
        small: their thumbnails.
    """
    films, labels = sides.dataset.image_groups, sides.dataset.labels
    pairs = _foreign(near_pairs(small), sides.dataset)
    contrary = differ_within(films, labels)
    contrary[pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]].ravel()] = True
    if len(rows := _by_group(films, contrary)):
        yield sides.finding("two-labels", "conflict", rows, f"{len(rows):,} images show films that are under both labels")
    yield from _identical(sides, films, contrary)
    yield from _near(sides, pairs[labels[pairs[:, 0]] == labels[pairs[:, 1]]])


def _identical(sides: Sides, films: NDArray[np.int64], contrary: NDArray[np.bool_]) -> Iterator[Finding]:
    contents = numbered(sides.dataset.contents) if sides.dataset.contents else np.arange(len(films))
    same, divided = repeated(films), sides.divided(films)
    other_bytes = differ_within(films, contents)
    for check, kind, what in (
        ("byte-identical", same & ~other_bytes, "the same file, byte for byte"),
        ("pixel-identical", same & other_bytes, "the same film, pixel for pixel, in files that differ"),
    ):
        if len(rows := _by_group(films, kind & divided)):
            yield sides.finding(check, sides.severity, rows, f"{len(rows):,} images on both sides of the split are {what}")
        if len(rows := _by_group(films, kind & ~divided & ~contrary)):
            count = _count(len(np.unique(films[rows])), "film")
            yield sides.finding(
                check, "note", rows, f"{len(rows):,} images of {count} are {what}; each film is on one side of the split"
            )


def _near(sides: Sides, pairs: NDArray[np.int64]) -> Iterator[Finding]:
    """Find the pairs of nearly the same film."""
    one, other = sides.parts[:, pairs[:, 0]], sides.parts[:, pairs[:, 1]]
    divided = ((one != other) & (one >= 0) & (other >= 0)).any(axis=0)
    what = "nearly the same film (re-encoded, rescaled or otherwise changed a little)"
    for some, severity, where in ((pairs[divided], sides.severity, "both sides"), (pairs[~divided], "note", "one side")):
        if len(rows := _distinct(some.ravel())):
            message = f"{len(rows):,} images of different patients on {where} of the split show {what}"
            yield sides.finding("near-duplicates", severity, rows, message)


def shared_with(sides: Sides, small: NDArray[np.uint8], other: LoadedDataset, others: NDArray[np.uint8]) -> Iterator[Finding]:
    """Find the films that another data set has as well, identical or nearly so.

    Args:
        sides: where the images are.
        small: their thumbnails.
        other: an external test set.
        others: its thumbnails.
    """
    mine = near_pairs(small, others)[:, 0]
    known = set(other.contents) | {file.pixels for file in other.files}
    own = zip(sides.dataset.contents, sides.dataset.files, strict=True)
    identical = [row for row, (content, file) in enumerate(own) if content in known or file.pixels in known]
    if len(rows := np.unique(np.concatenate([mine, np.array(identical, dtype=np.int64)]))):
        message = f"{len(rows):,} images show films that {other.name} has as well, so that it is no test by other data"
        yield sides.finding("other-dataset", "leak", rows, message)


def _foreign(pairs: NDArray[np.int64], dataset: LoadedDataset) -> NDArray[np.int64]:
    """Leave out pairs with the same pixels, and pairs of one group with one label: films of a patient may look alike."""
    films, groups, labels = dataset.image_groups[pairs], dataset.groups[pairs], dataset.labels[pairs]
    of_one = (groups[:, 0] == groups[:, 1]) & (labels[:, 0] == labels[:, 1])
    return np.asarray(pairs[(films[:, 0] != films[:, 1]) & ~of_one])


def _by_group(group: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the chosen rows, those of one group beside each other."""
    rows = np.flatnonzero(chosen)
    _, first, place = np.unique(group[rows], return_index=True, return_inverse=True)
    return np.asarray(rows[np.argsort(first[place], kind="stable")])


def _distinct(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each row once, in the order of first appearance."""
    return np.array(list(dict.fromkeys(rows.tolist())), dtype=np.int64)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
