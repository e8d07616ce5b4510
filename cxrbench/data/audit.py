"""Refuse what no fair comparison can be made with, and warn of what weakens one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.errors import DataError

if TYPE_CHECKING:
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.split import Split

MINIMUM_VALIDATION = 50
"""Validation images below which a threshold is noise (AutoGluon refuses below the same number)."""
MINIMUM_CLASS = 10
COMFORTABLE_CLASS = 50
NAMED = 10
"""How many skipped files a message names before it only counts them."""


def audit_dataset(dataset: LoadedDataset, *, strict: bool) -> tuple[str, ...]:
    """Return warnings about the images; raise DataError on one class only, or on an unreadable file if `strict`."""
    counts = np.bincount(dataset.labels, minlength=2)
    if not counts.all():
        only, missing = ("pneumonia", "normal") if counts[1] else ("normal", "pneumonia")
        raise DataError(f"{dataset.name}: all {counts.sum()} images are {only}; images of {missing} are needed as well")
    if not dataset.skipped:
        return dataset.warnings
    named = "; ".join(f"{key} {reason}" for key, reason in dataset.skipped[:NAMED])
    more = f"; and {len(dataset.skipped) - NAMED} more" if len(dataset.skipped) > NAMED else ""
    message = f"{len(dataset.skipped)} of {len(dataset.skipped) + len(dataset.records)} files could not be read: {named}{more}"
    if strict:
        raise DataError(f"--strict-data: {message}")
    return (*dataset.warnings, f"skipped: {message}")


def audit_split(dataset: LoadedDataset, split: Split) -> tuple[str, ...]:
    """Return warnings about the parts; raise DataError where validation or another part cannot decide anything."""
    labels = dataset.labels
    normal, pneumonia = (int(count) for count in np.bincount(labels[split.validation], minlength=2))
    counted = f"the validation part has {normal + pneumonia} images ({normal} normal, {pneumonia} pneumonia)"
    if normal + pneumonia < MINIMUM_VALIDATION or min(normal, pneumonia) < MINIMUM_CLASS:
        raise DataError(
            f"{dataset.name}: {counted}; at least {MINIMUM_VALIDATION}, and {MINIMUM_CLASS} of each class, are needed to "
            "choose a threshold and a winner: bring more images"
        )
    for part, rows in (("training", split.train), ("test", split.test)):
        if len(np.unique(labels[rows])) < 2:
            raise DataError(
                f"{dataset.name}: the {part} part has {len(rows)} images of one class or none; both classes are needed"
            )
    return (*_uncertain(counted, normal, pneumonia), *_shared_patients(dataset, split))


def _uncertain(counted: str, normal: int, pneumonia: int) -> tuple[str, ...]:
    if min(normal, pneumonia) >= COMFORTABLE_CLASS:
        return ()
    return (f"{counted}: below {COMFORTABLE_CLASS} of a class, the threshold and the choice of trial are uncertain",)


def _shared_patients(dataset: LoadedDataset, split: Split) -> tuple[str, ...]:
    """Return a warning for each part that decides something and holds images of patients that training has seen."""
    patients = dataset.patients
    found = []
    for part, rows, earlier in (
        ("validation", split.validation, split.train),
        ("test", split.test, np.concatenate([split.train, split.validation])),
    ):
        shared = int(np.isin(patients[rows], patients[earlier]).sum())
        if shared:
            found.append(
                f"{shared} of {len(rows)} {part} images are of patients with other images in training"
                f"{' or validation' if part == 'test' else ''}: the result says little about new patients"
            )
    return tuple(found)
