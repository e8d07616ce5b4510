"""Divide a dataset into training, validation and test rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.errors import ConfigError
from cxrbench.files import seed_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cxrbench.config import SplitName
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.plugin.contracts import Record

TEST_SHARE = 0.15
VALIDATION_SHARE = 0.15
RELATIVE_VALIDATION_SHARE = VALIDATION_SHARE / (1 - TEST_SHARE)
MINIMUM_OFFICIAL_VALIDATION = 100
"""A source's own validation part below this many images is merged into training; Kaggle's has 16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Row numbers of the three parts, each int and sorted."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def default_split(records: Sequence[Record]) -> SplitName:
    """Return `official` where the source has a test part, else `grouped`."""
    return "official" if any(record.split == "test" for record in records) else "grouped"


def split_dataset(dataset: LoadedDataset, name: SplitName, seed: int) -> Split:
    """Divide the rows.

    `paper` cuts 70/15/15 at random, stratified by label, as the literature does: patients fall on both sides. `grouped` does
    the same with whole patients. `official` keeps the source's test part, and its validation part only if that has at least
    100 images; otherwise validation is cut from the rest by patient.

    Raises:
        ConfigError: if `official` is asked for and the source has no test part.
    """
    rows = np.arange(len(dataset.records))
    groups = rows if name == "paper" else np.unique(dataset.patients, return_inverse=True)[1]
    if name == "official":
        return _official(dataset, groups, seed)
    rest, test = _cut(rows, dataset.labels, groups, seed=seed_from(seed, "test"), share=TEST_SHARE)
    train, validation = _cut(rest, dataset.labels, groups, seed=seed_from(seed, "validation"), share=RELATIVE_VALIDATION_SHARE)
    return Split(train=train, validation=validation, test=test)


def _official(dataset: LoadedDataset, groups: NDArray[np.int64], seed: int) -> Split:
    part = np.array([record.split or "" for record in dataset.records])
    test = np.flatnonzero(part == "test")
    if not len(test):
        raise ConfigError(f"--split official: {dataset.name} has no test part of its own; use --split grouped")
    validation = np.flatnonzero(part == "val")
    if len(validation) >= MINIMUM_OFFICIAL_VALIDATION:
        train = np.flatnonzero((part != "test") & (part != "val"))
        return Split(train=train, validation=validation, test=test)
    rest = np.flatnonzero(part != "test")
    train, validation = _cut(rest, dataset.labels, groups, seed=seed_from(seed, "validation"), share=RELATIVE_VALIDATION_SHARE)
    return Split(train=train, validation=validation, test=test)


def _cut(
    rows: NDArray[np.int64], labels: NDArray[np.int64], groups: NDArray[np.int64], *, seed: int, share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (kept, held out) rows: whole groups, each held out with probability `share`.

    Systematic sampling (Cochran, Sampling Techniques, 1977, chapter 8): the groups are sorted by their share of positives
    and their size, ties at random, and every 1/share-th is taken from a random start. So both sides get like patients, and
    neither class nor size decides where a patient falls.
    """
    generator = np.random.default_rng(seed)
    _, group = np.unique(groups[rows], return_inverse=True)
    size = np.bincount(group)
    positives = np.bincount(group, weights=labels[rows])
    order = np.lexsort((generator.random(len(size)), size, positives / size))
    steps = np.floor((np.arange(len(size) + 1) + generator.random() / share) * share)
    held = np.zeros(len(size), dtype=bool)
    held[order] = np.diff(steps) > 0
    return rows[~held[group]], rows[held[group]]
