"""What all recipes of a run share: protocol, images, folds, and the folder that entries go to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.leaderboard.store.entry import DatasetFacts, Entry, PartCounts, Status
from cxrbench.storage.files import digest
from cxrbench.storage.safe_text import without_paths
from cxrbench.storage.versions import all_versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cxrbench.config.component import Part
    from cxrbench.config.protocol import Protocol
    from cxrbench.config.recipe import Recipe
    from cxrbench.data.audit.audit import Audit
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.split import Split
    from cxrbench.leaderboard.store.folder import ProtocolFolder
    from cxrbench.leaderboard.store.test_lock import SealedTest
    from cxrbench.plugin.contracts import Failure
    from cxrbench.plugin.specs import Engine
    from cxrbench.storage.sharded_array import ShardedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """The images that a fold may learn from; its test images are behind a seal.

    Attributes:
        train, validation: row numbers of the dataset, int and sorted.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """A test set of another source: all of its images are scored, none is learnt from."""

    name: str
    dataset: LoadedDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What all recipes of a run share.

    Attributes:
        data: the dataset as a component, without the place where it lies.
        folds: what each fold learns from.
        test: what it is scored on.
        externals: further test sets.
        max_failures: failed trials in a row that end a recipe's study.
    """

    protocol: Protocol
    data: str
    engine: Part[Engine]
    dataset: LoadedDataset
    facts: DatasetFacts
    audit: Audit
    folds: tuple[Learning, ...]
    test: SealedTest
    externals: tuple[External, ...]
    warnings: tuple[str, ...]
    folder: ProtocolFolder
    max_failures: int

    def blank_entry(
        self,
        recipe: Recipe,
        status: Status,
        reason: str = "",
        *,
        failure: Failure | None = None,
        log: tuple[str, ...] = (),
    ) -> Entry:
        """Return an entry without a result."""
        return Entry(
            protocol=self.protocol,
            data=self.data,
            recipe=str(recipe),
            backbone=str(recipe.backbone.component),
            augmentation=str(recipe.augmentation.component),
            imbalance=str(recipe.imbalance.component),
            control=recipe.backbone.spec.control,
            status=status,
            reason=without_paths(reason),
            failure=failure,
            log=log,
            versions=all_versions(),
            dataset=self.facts,
            audit=self.audit,
            warnings=self.warnings,
        )


def study_identity(protocol: Protocol, fold: int, engine: Part[Engine], recipe: Recipe, views: Sequence[ShardedArray]) -> str:
    """Return what the study of a fold depends on: the protocol less its budget, the features, engine and strategy."""
    features = [view.folder.name for view in views]
    return digest([protocol.study_identity, fold, engine.identity, str(recipe), recipe.imbalance.identity, *features])


def result_identity(protocol: Protocol, engine: Part[Engine], recipe: Recipe, views: Sequence[ShardedArray]) -> str:
    """Return what a recipe's entry depends on besides the budget: its studies, one a fold."""
    return digest([study_identity(protocol, fold, engine, recipe, views) for fold in range(protocol.folds)])


def dataset_facts(dataset: LoadedDataset, splits: Sequence[Split]) -> DatasetFacts:
    """Count the images and, in each part of each fold, those of each class."""
    labels = dataset.labels
    return DatasetFacts(
        name=dataset.name,
        fingerprint=dataset.fingerprint,
        normal=int(np.sum(labels == 0)),
        pneumonia=int(np.sum(labels == 1)),
        patients=len(set(dataset.patients)),
        skipped=len(dataset.skipped),
        folds=tuple(_part_counts(labels, split) for split in splits),
    )


def _part_counts(labels: NDArray[np.int64], split: Split) -> PartCounts:
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    counts: dict[str, int] = {}
    for part, rows in parts.items():
        pneumonia = int(labels[rows].sum())
        counts |= {f"{part}_normal": len(rows) - pneumonia, f"{part}_pneumonia": pneumonia}
    return PartCounts(**counts)
