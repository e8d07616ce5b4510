"""Split a dataset into training, validation and test set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.config.seeds import split_seed
from cxrbench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cxrbench.config.values import SplitName
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.plugin.contracts import Record

TEST_SHARE = 0.15
VALIDATION_SHARE = 0.15
RELATIVE_VALIDATION_SHARE = VALIDATION_SHARE / (1 - TEST_SHARE)
MINIMUM_OFFICIAL_VALIDATION = 100
"""A source's validation set with fewer images is merged into its training set; Kaggle's has 16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Row numbers of the three sets, each int and sorted."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


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

    Raises:
        ConfigError: the source has no test set for `official`, or there are more folds than groups.
    """
    rows = np.arange(len(dataset.records))
    groups = rows if name == "paper" else dataset.groups
    if name == "official":
        return (_official(dataset, groups, seed, folds),)
    if folds == 1:
        rest, test = _hold_out(rows, dataset.labels, groups, seed=split_seed(seed, "test"), share=TEST_SHARE)
        return (_with_validation(rest, test, dataset.labels, groups, split_seed(seed, "validation")),)
    fold = _folds(dataset, groups, split_seed(seed, "folds", folds), folds)
    return tuple(
        _with_validation(
            rows[fold != number], rows[fold == number], dataset.labels, groups, split_seed(seed, "validation", folds, number)
        )
        for number in range(folds)
    )


def expected_parts(records: Sequence[Record], name: SplitName, folds: int) -> tuple[tuple[int, int], ...]:
    """Return about how many negative and positive images training, validation and test set of a fold will have.

    The images need not be decoded: groups that share an image are not known yet.
    """
    labels = np.array([record.label for record in records])
    is_test = np.array([record.split == "test" for record in records])
    images = np.bincount(labels, minlength=2)
    test_share = TEST_SHARE if folds == 1 else 1 / folds
    test = np.bincount(labels[is_test], minlength=2) if name == "official" else images * test_share
    validation = (images - test) * RELATIVE_VALIDATION_SHARE
    return tuple((round(part[0]), round(part[1])) for part in (images - test - validation, validation, test))


def _with_validation(
    rest: NDArray[np.int64], test: NDArray[np.int64], labels: NDArray[np.int64], groups: NDArray[np.int64], seed: int
) -> Split:
    train, validation = _hold_out(rest, labels, groups, seed=seed, share=RELATIVE_VALIDATION_SHARE)
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

    The groups are sorted as in `_hold_out`. Each run of `folds` groups is spread over the folds in random order.
    """
    generator = np.random.default_rng(seed)
    group, order = _sorted_groups(dataset.labels, groups, generator)
    if not 1 <= folds <= len(order):
        raise ConfigError(
            f"--folds {folds}: {dataset.name} has {len(order)} groups of images; expected 1 to {len(order)} folds"
        )
    runs = -(-len(order) // folds)
    dealt = generator.permuted(np.tile(np.arange(folds), (runs, 1)), axis=1).reshape(-1)
    fold = np.empty(len(order), dtype=np.int64)
    fold[order] = dealt[: len(order)]
    return np.asarray(fold[group])


def _sorted_groups(
    labels: NDArray[np.int64], groups: NDArray[np.int64], generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return each row's group from 0, and the groups sorted by share of positives, then size, then at random."""
    group = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    size = np.bincount(group)
    positives = np.bincount(group, weights=labels)
    return group, np.lexsort((generator.random(len(size)), size, positives / np.maximum(size, 1)))


def _hold_out(
    rows: NDArray[np.int64], labels: NDArray[np.int64], groups: NDArray[np.int64], *, seed: int, share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the kept and the held-out rows: whole groups, each held out with probability `share`.

    This is systematic sampling (Cochran, Sampling Techniques, 1977, chapter 8): the groups are sorted by share of positives,
    size and a random number, and every (1 / share)-th is taken from a random start. Both sides get similar groups, and each
    group has the same chance, whatever its class and size.
    """
    generator = np.random.default_rng(seed)
    group, order = _sorted_groups(labels[rows], groups[rows], generator)
    steps = np.floor((np.arange(len(order) + 1) + generator.random() / share) * share)
    held = np.zeros(len(order), dtype=bool)
    held[order] = np.diff(steps) > 0
    return rows[~held[group]], rows[held[group]]
