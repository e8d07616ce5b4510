"""Refuse a dataset that allows no fair comparison, and report what weakens one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.audit.compared import compared_images
from cxrbench.data.audit.duplicates import copies, shared_collections, shared_patients, shared_with, sides_of
from cxrbench.data.audit.findings import EXAMPLES, Audit, Finding, leak_severity
from cxrbench.data.audit.label_rates import predictive_attributes
from cxrbench.data.audit.near import thumbnails
from cxrbench.data.audit.oddities import blank_findings, odd_files
from cxrbench.data.blank import blank_images
from cxrbench.data.split import MINIMUM_CLASS, MINIMUM_VALIDATION
from cxrbench.errors import DataError
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.config.split_name import SplitName
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.split import Split
    from cxrbench.plugin.contracts import ClassNames

COMFORTABLE_CLASS = 50
LISTED_FILES = 10
"""Skipped files that a message lists; it only counts the others."""
USE_GROUPED = "use --split grouped, which keeps patients and copies on one side, or correct the split tags"
REMEDIES = {
    "shared-patients": USE_GROUPED,
    "byte-identical": USE_GROUPED,
    "pixel-identical": USE_GROUPED,
    "near-duplicates": "remove one image of each pair, or give both the same patient in a manifest",
    "transformed-copies": "remove one image of each pair, or give both the same patient in a manifest",
    "two-labels": "correct the wrong label, or remove these images",
    "other-dataset": "remove these images from one of the two datasets",
    "declared-leak": "do what the dataset says there",
}
WORST_FIRST = ("conflict", "leak", "warning", "note")


def audit(
    dataset: LoadedDataset,
    splits: Sequence[Split],
    *,
    split_name: SplitName,
    others: Sequence[LoadedDataset] = (),
    allow_leak: bool = False,
    strict: bool = False,
) -> Audit:
    """Find what makes results on these images unreliable.

    Args:
        dataset: decoded images, or listed ones, of which less can be found.
        splits: one per fold; a finding that several of them share is reported once.
        split_name: under `paper`, patients and images on both sides are warnings, not leaks.
        others: external test sets, which must not share images with the dataset.
        allow_leak: return leaks and conflicts instead of raising them.
        strict: raise if a file could not be read.

    Raises:
        DataError: one class only, too few images in a set, images on both sides of a split, an image under both labels, or a
            leak that the dataset declares.
    """
    check_classes(dataset.name, dataset.labels, dataset.class_names)
    findings = [*_unreadable_files(dataset, strict=strict), *_small_validation(dataset, splits)]
    sides = sides_of(dataset, splits, leak_severity(split_name))
    findings += [*declared_leaks(dataset, split_name), *shared_patients(sides), *predictive_attributes(dataset)]
    for other in others:
        findings += shared_collections(dataset, other)
    if dataset.files:
        small = thumbnails(dataset)
        blank = blank_images(small)
        images = compared_images(dataset, small, blank)
        findings += [*blank_findings(dataset, blank), *copies(sides, images), *odd_files(dataset, small)]
        for other in others:
            theirs = thumbnails(other)
            findings += shared_with(sides, images, other, compared_images(other, theirs, blank_images(theirs)))
    elif dataset.digests:
        findings += copies(sides, None)
    result = Audit(findings=tuple(sorted(findings, key=lambda finding: WORST_FIRST.index(finding.severity))))
    if not allow_leak:
        refuse_leaks(dataset.name, result)
    return result


def declared_leaks(dataset: LoadedDataset, split_name: SplitName) -> Iterator[Finding]:
    """Find the leaks that the dataset declares; like shared patients, they are warnings under `paper`."""
    severity = leak_severity(split_name)
    for reason in dataset.leaks:
        yield Finding(check="declared-leak", severity=severity, count=len(dataset.records), message=reason)


def refuse_leaks(name: str, result: Audit) -> None:
    """Raise DataError if the audit of the named dataset found leaks or conflicts."""
    if not result.leaks:
        return
    listed = "; ".join(
        f"{leak.message} ({', '.join(leak.examples)})" if leak.examples else leak.message for leak in result.leaks
    )
    remedies = dict.fromkeys(REMEDIES[leak.check] for leak in result.leaks)
    raise DataError(f"{name}: {listed}. What to do: {'; '.join(remedies)}; or pass --allow-leak, which marks every row")


def check_classes(name: str, labels: NDArray[np.int64], class_names: ClassNames) -> None:
    """Raise DataError unless there are images of both classes."""
    counts = np.bincount(labels, minlength=2)
    if not counts.all():
        names = class_names.negative, class_names.positive
        only, missing = reversed(names) if counts[1] else names
        raise DataError(f"{name}: all {counts.sum()} images are {only}; {missing} images are needed as well")


def _unreadable_files(dataset: LoadedDataset, *, strict: bool) -> Iterator[Finding]:
    if not dataset.skipped:
        return
    listed = "; ".join(f"{as_line(key)} {reason}" for key, reason in dataset.skipped[:LISTED_FILES])
    more = f"; and {len(dataset.skipped) - LISTED_FILES} more" if len(dataset.skipped) > LISTED_FILES else ""
    message = f"{len(dataset.skipped)} of {len(dataset.skipped) + len(dataset.records)} files could not be read: {listed}{more}"
    if strict:
        raise DataError(f"--strict-data: {message}")
    keys = tuple(as_line(key) for key, _ in dataset.skipped)
    yield Finding(
        check="unreadable", severity="warning", count=len(keys), message=f"skipped: {message}", examples=keys[:EXAMPLES]
    )


def _small_validation(dataset: LoadedDataset, splits: Sequence[Split]) -> Iterator[Finding]:
    """Find a small validation set; raise DataError if any set is too small."""
    counts = [_validation_counts(dataset, split) for split in splits]
    negatives, positives = min(counts, key=min)
    if min(negatives, positives) < COMFORTABLE_CLASS:
        message = (
            f"{_describe_validation(dataset, negatives, positives)}: with fewer than {COMFORTABLE_CLASS} of a class, the "
            "threshold and the choice of trial are uncertain"
        )
        yield Finding(check="small-validation", severity="warning", count=negatives + positives, message=message)


def _validation_counts(dataset: LoadedDataset, split: Split) -> tuple[int, int]:
    """Return the numbers of negative and positive validation images; raise DataError if a set is too small."""
    labels = dataset.labels
    negatives, positives = (int(count) for count in np.bincount(labels[split.validation], minlength=2))
    if negatives + positives < MINIMUM_VALIDATION or min(negatives, positives) < MINIMUM_CLASS:
        raise DataError(
            f"{dataset.name}: {_describe_validation(dataset, negatives, positives)}; choosing a threshold and a winner needs "
            f"at least {MINIMUM_VALIDATION}, and {MINIMUM_CLASS} of each class: add images"
        )
    for part, rows in (("training", split.train), ("test", split.test)):
        if len(np.unique(labels[rows])) < 2:
            names = f"{dataset.class_names.negative} and {dataset.class_names.positive}"
            raise DataError(
                f"{dataset.name}: the {len(rows)} images of the {part} set do not cover both classes; {names} are needed"
            )
    return negatives, positives


def _describe_validation(dataset: LoadedDataset, negatives: int, positives: int) -> str:
    names = dataset.class_names
    by_class = f"{negatives} {names.negative}, {positives} {names.positive}"
    return f"the validation set has {negatives + positives} images ({by_class})"
