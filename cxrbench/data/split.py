"""Split a dataset into training, validation and test set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.config.seeds import split_seed
from cxrbench.config.split_name import column_of, left_out_by
from cxrbench.data.columns import groups_by, sorted_groups
from cxrbench.data.hold_out import groups_in_order, hold_out
from cxrbench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.config.protocol import Protocol
    from cxrbench.config.split_name import SplitName
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.plugin.contracts import Record

TEST_SHARE = 0.15
VALIDATION_SHARE = 0.15
RELATIVE_VALIDATION_SHARE = VALIDATION_SHARE / (1 - TEST_SHARE)
MINIMUM_OFFICIAL_VALIDATION = 100
"""A source's validation set with fewer images is merged into its training set; Kaggle's has 16."""
MINIMUM_VALIDATION = 50
"""With fewer validation images, a threshold is noise (AutoGluon refuses below the same number)."""
MINIMUM_CLASS = 10
"""Images of either class that a validation set must have, and a group that is left out to be tested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Row numbers of the three sets, each int and sorted.

    Attributes:
        group: the group that is the test set; empty unless groups are left out.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """The groups of a column, each left out in turn.

    Attributes:
        splits: one for each group that can be tested, sorted by group.
        untested: why each other group is not tested.
        unknown: images whose group is unknown.
        divided: by tested group, images of other groups whose patients have images in it: they are in none of the three sets.
    """

    splits: tuple[Split, ...]
    untested: dict[str, str]
    unknown: int
    divided: dict[str, int]


def default_split(records: Sequence[Record]) -> SplitName:
    """Return `official` if the source has a test set, else `grouped`."""
    return "official" if any(record.split == "test" for record in records) else "grouped"


def split_dataset(dataset: LoadedDataset, name: SplitName, seed: int, folds: int = 1) -> tuple[Split, ...]:
    """Split the rows, once per fold.

    `paper` splits images 70/15/15 at random, stratified by label, as the literature does: images of one patient may be on both
    sides. `grouped` does the same with groups: patients, merged if they share an image. `official` keeps the source's test set.
    It keeps the source's validation set if that has at least 100 images and shares no group with the training set; otherwise
    it splits a validation set off the rest by group.

    Two or more folds are a cross-validation: every row is in the test set of exactly one fold.

    `left-out:by=COLUMN` has one fold for each group of a column that can be tested, whatever `folds` is: see `leave_out`.

    Raises:
        ConfigError: the source has no test set for `official`, or there are more folds than groups.
    """
    if column := column_of(name):
        return leave_out(dataset, column, seed).splits
    rows = np.arange(len(dataset.records))
    groups = rows if name == "paper" else dataset.groups
    if name == "official":
        return (_official(dataset, groups, seed, folds),)
    if folds == 1:
        rest, test = hold_out(rows, dataset.labels, groups, seed=split_seed(seed, "test"), share=TEST_SHARE)
        return (_with_validation(rest, test, dataset.labels, groups, split_seed(seed, "validation")),)
    fold = _folds(dataset, groups, split_seed(seed, "folds", folds), folds)
    return tuple(
        _with_validation(
            rows[fold != number], rows[fold == number], dataset.labels, groups, split_seed(seed, "validation", folds, number)
        )
        for number in range(folds)
    )


def leave_out(dataset: LoadedDataset, column: str, seed: int) -> LeftOut:
    """Leave out each group of a column: its images are the test set, and the other images are trained and validated on.

    Patients are never divided: images of the other groups are left out, too, if their patient has an image in the group. Images
    whose group is unknown are never tested. A group is tested if it has at least 10 images of each class, and if the rest is
    large enough to train and validate on.

    Raises:
        ConfigError: no group can be tested.
    """
    groups, patients = np.array(groups_by(dataset.records, column)), dataset.groups
    splits: dict[str, Split] = {}
    for name in sorted_groups(groups.tolist()):
        test = np.flatnonzero(groups == name)
        rest = np.flatnonzero(~np.isin(patients, patients[test]))
        split = _with_validation(rest, test, dataset.labels, patients, split_seed(seed, "validation", name))
        splits[name] = replace(split, group=name)
    untested = {name: why for name, split in splits.items() if (why := _why_untested(dataset, split))}
    tested = tuple(split for name, split in splits.items() if name not in untested)
    if not tested:
        reasons = "; ".join(f"{name}: {why}" for name, why in untested.items()) or "its value is unknown for all images"
        raise ConfigError(f"--split {left_out_by(column)}: {dataset.name} has no group that can be tested. {reasons}")
    return LeftOut(
        splits=tested,
        untested=untested,
        unknown=int(np.sum(groups == "")),
        divided={split.group: count for split in tested if (count := len(groups) - sum(map(len, _parts(split))))},
    )


def split_warnings(dataset: LoadedDataset, name: SplitName, seed: int) -> tuple[str, ...]:
    """Return what must be read with the results of a split that leaves out groups; nothing for another split."""
    column = column_of(name)
    return tuple(_left_out_warnings(leave_out(dataset, column, seed), column)) if column else ()


def expected_parts(records: Sequence[Record], protocol: Protocol) -> tuple[tuple[int, int], ...]:
    """Return about how many negative and positive images training, validation and test set of a fold will have.

    The images need not be decoded: groups that share an image are not known yet.
    """
    labels = np.array([record.label for record in records])
    images = np.bincount(labels, minlength=2)
    test_share = TEST_SHARE if protocol.folds == 1 else 1 / protocol.folds
    test = images * test_share
    if protocol.split == "official":
        test = np.bincount(labels[[record.split == "test" for record in records]], minlength=2).astype(np.float64)
    if protocol.left_out:
        is_tested = np.isin(groups_by(records, protocol.left_out_by), protocol.left_out)
        test = np.bincount(labels[is_tested], minlength=2) / protocol.folds
    validation = (images - test) * RELATIVE_VALIDATION_SHARE
    return tuple((round(part[0]), round(part[1])) for part in (images - test - validation, validation, test))


def _why_untested(dataset: LoadedDataset, split: Split) -> str:
    names = dataset.class_names
    train, validation, test = (np.bincount(dataset.labels[part], minlength=2) for part in _parts(split))
    counts = f"{test[0]:,} {names.negative} and {test[1]:,} {names.positive} images"
    if min(test) < MINIMUM_CLASS:
        return f"it has {counts}, and a test needs {MINIMUM_CLASS} of each class"
    if min(train) == 0 or min(validation) < MINIMUM_CLASS or sum(validation) < MINIMUM_VALIDATION:
        left = f"{train[0]:,} {names.negative} and {train[1]:,} {names.positive} images to train on"
        return (
            f"without it, there are {left} and {validation[0]:,} and {validation[1]:,} to validate on, which needs "
            f"{MINIMUM_VALIDATION}, and {MINIMUM_CLASS} of each class"
        )
    return ""


def _left_out_warnings(found: LeftOut, column: str) -> Iterator[str]:
    for name, why in found.untested.items():
        yield f"{column} {name} is not tested: {why}. Its images only train and validate"
    if found.unknown:
        yield f"images without a known {column}, which are never tested and only train and validate: {found.unknown:,}"
    for name, count in found.divided.items():
        yield f"images not used where {column} {name} is tested, because their patients also have images in it: {count:,}"


def _parts(split: Split) -> tuple[NDArray[np.int64], ...]:
    return split.train, split.validation, split.test


def _with_validation(
    rest: NDArray[np.int64], test: NDArray[np.int64], labels: NDArray[np.int64], groups: NDArray[np.int64], seed: int
) -> Split:
    train, validation = hold_out(rest, labels, groups, seed=seed, share=RELATIVE_VALIDATION_SHARE)
    return Split(train=train, validation=validation, test=test)


def _official(dataset: LoadedDataset, groups: NDArray[np.int64], seed: int, folds: int) -> Split:
    if folds != 1:
        raise ConfigError(f"--folds {folds}: --split official has one fixed test set; use --split grouped")
    tag = np.array([record.split or "" for record in dataset.records])
    test = np.flatnonzero(tag == "test")
    if not len(test):
        raise ConfigError(f"--split official: {dataset.name} has no test set of its own; use --split grouped")
    validation, train = np.flatnonzero(tag == "val"), np.flatnonzero((tag != "test") & (tag != "val"))
    if len(validation) >= MINIMUM_OFFICIAL_VALIDATION and not np.isin(groups[validation], groups[train]).any():
        return Split(train=train, validation=validation, test=test)
    return _with_validation(np.flatnonzero(tag != "test"), test, dataset.labels, groups, split_seed(seed, "validation"))


def _folds(dataset: LoadedDataset, groups: NDArray[np.int64], seed: int, folds: int) -> NDArray[np.int64]:
    """Return the fold whose test set each row is in, int ``[rows]``: whole groups, with labels and sizes balanced.

    The groups are sorted as in `hold_out`. Each run of `folds` groups is spread over the folds in random order.
    """
    generator = np.random.default_rng(seed)
    group, order = groups_in_order(dataset.labels, groups, generator)
    if not 1 <= folds <= len(order):
        raise ConfigError(
            f"--folds {folds}: {dataset.name} has {len(order)} groups of images; expected 1 to {len(order)} folds"
        )
    runs = -(-len(order) // folds)
    dealt = generator.permuted(np.tile(np.arange(folds), (runs, 1)), axis=1).reshape(-1)
    fold = np.empty(len(order), dtype=np.int64)
    fold[order] = dealt[: len(order)]
    return np.asarray(fold[group])
