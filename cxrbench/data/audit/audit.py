"""Refuse what no fair comparison can be made with, and write down what weakens one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.audit.duplicates import copies, shared_patients, shared_with, sides_of
from cxrbench.data.audit.findings import EXAMPLES, Audit, Finding
from cxrbench.data.audit.label_rates import telling_attributes
from cxrbench.data.audit.near import thumbnails
from cxrbench.data.audit.oddities import odd_files
from cxrbench.errors import DataError
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.config.values import SplitName
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.split import Split

__all__ = ["Audit", "Finding", "audit", "refuse_leaks"]

MINIMUM_VALIDATION = 50
"""Validation images below which a threshold is noise (AutoGluon refuses below the same number)."""
MINIMUM_CLASS = 10
COMFORTABLE_CLASS = 50
NAMED = 10
"""How many skipped files a message names before it only counts them."""
GROUPED = "keep patients and copies on one side with --split grouped, or correct the parts"
REMEDIES = {
    "shared-patients": GROUPED,
    "byte-identical": GROUPED,
    "pixel-identical": GROUPED,
    "near-duplicates": "remove one of each two, or give both the same patient in a manifest",
    "two-labels": "correct the wrong label, or remove these films",
    "other-dataset": "remove these films from one of the two data sets",
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
    """Look for whatever makes a result on these images say less than it seems to.

    Args:
        dataset: decoded images.
        splits: one for each fold; what several of them show is found once.
        split_name: under `paper`, patients and films on both sides are warnings.
        others: external test sets, whose films must not be among these.
        allow_leak: return leaks and conflicts in place of raising them.
        strict: raise where a file could not be read.

    Raises:
        DataError: one class only, parts that decide nothing, images on both sides of a split, a film under two labels.
    """
    check_classes(dataset.name, dataset.labels)
    findings = [*_unreadable(dataset, strict=strict), *_parts(dataset, splits)]
    sides = sides_of(dataset, splits, permitted=split_name == "paper")
    findings += [*shared_patients(sides), *telling_attributes(dataset)]
    if dataset.files:
        small = thumbnails(dataset)
        findings += [*copies(sides, small), *odd_files(dataset, small)]
        for other in others:
            findings += shared_with(sides, small, other, thumbnails(other))
    found = Audit(findings=tuple(sorted(findings, key=lambda finding: WORST_FIRST.index(finding.severity))))
    if not allow_leak:
        refuse_leaks(dataset.name, found)
    return found


def refuse_leaks(name: str, found: Audit) -> None:
    """Raise DataError if an audit of the data set of that name found leaks or conflicts."""
    if not found.leaks:
        return
    listed = "; ".join(f"{leak.message} ({', '.join(leak.examples)})" for leak in found.leaks)
    remedies = dict.fromkeys(REMEDIES[leak.check] for leak in found.leaks)
    raise DataError(f"{name}: {listed}. What to do: {'; '.join(remedies)}; or go on with --allow-leak, which marks every row")


def check_classes(name: str, labels: NDArray[np.int64]) -> None:
    """Raise DataError for images of one class only, on which nothing can be learnt or scored."""
    counts = np.bincount(labels, minlength=2)
    if not counts.all():
        only, missing = ("pneumonia", "normal") if counts[1] else ("normal", "pneumonia")
        raise DataError(f"{name}: all {counts.sum()} images are {only}; images of {missing} are needed as well")


def _unreadable(dataset: LoadedDataset, *, strict: bool) -> Iterator[Finding]:
    if not dataset.skipped:
        return
    named = "; ".join(f"{as_line(key)} {reason}" for key, reason in dataset.skipped[:NAMED])
    more = f"; and {len(dataset.skipped) - NAMED} more" if len(dataset.skipped) > NAMED else ""
    message = f"{len(dataset.skipped)} of {len(dataset.skipped) + len(dataset.records)} files could not be read: {named}{more}"
    if strict:
        raise DataError(f"--strict-data: {message}")
    keys = tuple(as_line(key) for key, _ in dataset.skipped)
    yield Finding(
        check="unreadable", severity="warning", count=len(keys), message=f"skipped: {message}", examples=keys[:EXAMPLES]
    )


def _parts(dataset: LoadedDataset, splits: Sequence[Split]) -> Iterator[Finding]:
    """Find a validation part that decides little; raise DataError where it or another part decides nothing."""
    validations = [_check_parts(dataset, split) for split in splits]
    normal, pneumonia = min(validations, key=min)
    if min(normal, pneumonia) < COMFORTABLE_CLASS:
        message = f"{_counted(normal, pneumonia)}: below {COMFORTABLE_CLASS} of a class, the threshold and the choice of trial "
        yield Finding(check="small-validation", severity="warning", count=normal + pneumonia, message=f"{message}are uncertain")


def _check_parts(dataset: LoadedDataset, split: Split) -> tuple[int, int]:
    """Return the validation images of either class."""
    labels = dataset.labels
    normal, pneumonia = (int(count) for count in np.bincount(labels[split.validation], minlength=2))
    if normal + pneumonia < MINIMUM_VALIDATION or min(normal, pneumonia) < MINIMUM_CLASS:
        raise DataError(
            f"{dataset.name}: {_counted(normal, pneumonia)}; at least {MINIMUM_VALIDATION}, and {MINIMUM_CLASS} of each class, "
            "are needed to choose a threshold and a winner: bring more images"
        )
    for part, rows in (("training", split.train), ("test", split.test)):
        if len(np.unique(labels[rows])) < 2:
            raise DataError(
                f"{dataset.name}: the {part} part has {len(rows)} images of one class or none; both classes are needed"
            )
    return normal, pneumonia


def _counted(normal: int, pneumonia: int) -> str:
    return f"the validation part has {normal + pneumonia} images ({normal} normal, {pneumonia} pneumonia)"
