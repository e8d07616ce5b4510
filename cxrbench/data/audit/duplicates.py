"""Find patients and images on both sides of a split, and images under both labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.audit.compared import FoundPairs, found_pairs
from cxrbench.data.audit.findings import Finding, examples
from cxrbench.data.audit.remembered import remembered_pairs
from cxrbench.data.collections import sharing
from cxrbench.data.groups import differ_within, numbered, repeated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.data.audit.compared import ComparedImages
    from cxrbench.data.audit.findings import Severity
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.split import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """A dataset and the set that each split puts its images into.

    Attributes:
        parts: int ``[splits, rows]``: 0 for training, 1 for validation, 2 for test, -1 for none.
        severity: of a patient or an image in more than one set.
    """

    dataset: LoadedDataset
    parts: NDArray[np.int64]
    severity: Severity

    def divided(self, group: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether the group of each row is in more than one set of any split, bool ``[rows]``."""
        divided = np.zeros(len(group), dtype=bool)
        for part in self.parts:
            divided |= differ_within(group, part)
        return divided

    def finding(self, check: str, severity: Severity, rows: NDArray[np.int64], message: str) -> Finding:
        """Return a finding about some rows."""
        return Finding(check=check, severity=severity, count=len(rows), message=message, examples=examples(self.dataset, rows))


def sides_of(dataset: LoadedDataset, splits: Sequence[Split], severity: Severity) -> Sides:
    """Return the sides of all splits; `severity` is that of a patient or an image on both."""
    parts = np.full((len(splits), len(dataset.records)), -1, dtype=np.int64)
    for part, split in zip(parts, splits, strict=True):
        for number, rows in enumerate((split.train, split.validation, split.test)):
            part[rows] = number
    return Sides(dataset=dataset, parts=parts, severity=severity)


def shared_patients(sides: Sides) -> Iterator[Finding]:
    """Find patients with images in more than one set."""
    patients = numbered(sides.dataset.patients)
    if len(rows := _by_group(patients, sides.divided(patients))):
        count = len(np.unique(patients[rows]))
        yield sides.finding(
            "shared-patients",
            sides.severity,
            rows,
            f"{len(rows):,} images belong to {_count(count, 'patient')} with images on both sides of the split: the result "
            "says little about new patients",
        )


def copies(sides: Sides, images: ComparedImages | None) -> Iterator[Finding]:
    """Find copies of images: byte for byte, pixel for pixel, nearly so, or transformed; and images under both labels.

    Args:
        sides: the dataset and its splits.
        images: those that are compared; None if they are not decoded, so that only equal files are found.
    """
    image, labels, names = sides.dataset.image_groups, sides.dataset.labels, sides.dataset.class_names
    found = _found(sides.dataset, images, image) if images else ()
    conflicting = differ_within(image, labels)
    for each in found:
        conflicting[each.pairs[labels[each.pairs[:, 0]] != labels[each.pairs[:, 1]]].ravel()] = True
    if len(rows := _by_group(image, conflicting)):
        message = (
            f"{len(rows):,} images have a copy or near-duplicate with the other label ({names.negative}, {names.positive})"
        )
        yield sides.finding("two-labels", "conflict", rows, message)
    yield from _identical(sides, image, conflicting)
    for each in found:
        same = labels[each.pairs[:, 0]] == labels[each.pairs[:, 1]]
        yield from _different_files(sides, FoundPairs(how=each.how, pairs=each.pairs[same]))


def _found(dataset: LoadedDataset, images: ComparedImages, image: NDArray[np.int64]) -> tuple[FoundPairs, ...]:
    groups, labels = dataset.groups, dataset.labels
    search = partial(found_pairs, images, None, partial(_unexpected, image, groups, labels))
    return remembered_pairs(dataset.pixels.array.folder, (images.rows, dataset.rows, image, groups, labels), search)


def _identical(sides: Sides, image: NDArray[np.int64], conflicting: NDArray[np.bool_]) -> Iterator[Finding]:
    file = numbered(sides.dataset.digests) if sides.dataset.digests else np.arange(len(image))
    copied, divided = repeated(image), sides.divided(image)
    other_bytes = differ_within(image, file)
    for check, kind, identity in (
        ("byte-identical", copied & ~other_bytes, "the same file, byte for byte"),
        ("pixel-identical", copied & other_bytes, "the same image, pixel for pixel, in different files"),
    ):
        if len(rows := _by_group(image, kind & divided)):
            yield sides.finding(check, sides.severity, rows, f"{len(rows):,} images on both sides of the split are {identity}")
        if len(rows := _by_group(image, kind & ~divided & ~conflicting)):
            count = _count(len(np.unique(image[rows])), "image")
            message = f"{len(rows):,} files hold {count} ({identity}); all copies of an image are on one side of the split"
            yield sides.finding(check, "note", rows, message)


def _different_files(sides: Sides, found: FoundPairs) -> Iterator[Finding]:
    """Find pairs of near-duplicates, or of transformed copies."""
    check = "transformed-copies" if found.how else "near-duplicates"
    how = f"copies of each other, {found.how}" if found.how else "nearly identical (re-encoded, rescaled or slightly changed)"
    first, second = sides.parts[:, found.pairs[:, 0]], sides.parts[:, found.pairs[:, 1]]
    divided = ((first != second) & (first >= 0) & (second >= 0)).any(axis=0)
    for chosen, severity, where in ((divided, sides.severity, "both sides"), (~divided, "note", "one side")):
        if len(rows := _distinct(found.pairs[chosen].ravel())):
            message = f"{len(rows):,} images of different patients on {where} of the split are {how}"
            yield sides.finding(check, severity, rows, message)


def shared_with(sides: Sides, images: ComparedImages, other: LoadedDataset, others: ComparedImages) -> Iterator[Finding]:
    """Find images that are also in another dataset: identical, nearly so, or transformed.

    Args:
        sides: the dataset and its splits.
        images: those that are compared.
        other: an external test set.
        others: those of its images that are compared.
    """
    known = set(other.digests) | {file.pixels for file in other.files}
    digests, files = sides.dataset.digests, sides.dataset.files
    identical = [row for row in images.rows.tolist() if digests[row] in known or files[row].pixels in known]
    plain, *transformed = found_pairs(images, others, lambda pairs: ~np.isin(pairs[:, 0], identical))
    same = np.unique(np.concatenate([plain.pairs[:, 0], np.array(identical, dtype=np.int64)]))
    for how, rows in (("", same), *((f" ({each.how})", np.unique(each.pairs[:, 0])) for each in transformed)):
        if len(rows):
            message = f"{_count(len(rows), 'image')} also in {other.name}{how}, which is therefore not an independent test set"
            yield sides.finding("other-dataset", "leak", rows, message)


def shared_collections(dataset: LoadedDataset, other: LoadedDataset) -> Iterator[Finding]:
    """Find public collections of both datasets that share images, which other sizes or crops may hide from the comparison."""
    for one, of_other in sharing(dataset.collections, other.collections):
        found = (
            f"both are from {one}" if one == of_other else f"{other.name} is from {of_other}, which shares images with {one}"
        )
        message = f"{found}: {other.name} may be no independent test set"
        yield Finding(check="shared-collections", severity="warning", count=len(other.records), message=message)


def _unexpected(
    image: NDArray[np.int64], group: NDArray[np.int64], labels: NDArray[np.int64], pairs: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which pairs have different pixels, and another group or label: images of a patient may look alike."""
    first, second = pairs.T
    expected = (group[first] == group[second]) & (labels[first] == labels[second])
    return np.asarray((image[first] != image[second]) & ~expected)


def _by_group(group: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the chosen rows, sorted so that rows of a group are adjacent."""
    rows = np.flatnonzero(chosen)
    _, first, place = np.unique(group[rows], return_index=True, return_inverse=True)
    return np.asarray(rows[np.argsort(first[place], kind="stable")])


def _distinct(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each row once, in the order of first appearance."""
    return np.array(list(dict.fromkeys(rows.tolist())), dtype=np.int64)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
