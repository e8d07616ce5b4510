"""What all recipes of a run share: protocol, images, split, and the folder that entries go to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.files import digest
from cxrbench.leaderboard.entry import DatasetFacts, Entry, Status
from cxrbench.versions import all_versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.component import Part
    from cxrbench.config import Protocol
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.split import Split
    from cxrbench.leaderboard.folder import ProtocolFolder
    from cxrbench.plugin.specs import Engine
    from cxrbench.recipe import Recipe
    from cxrbench.shards import ShardedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What all recipes of a run share."""

    protocol: Protocol
    engine: Part[Engine]
    dataset: LoadedDataset
    split: Split
    warnings: tuple[str, ...]
    folder: ProtocolFolder

    def blank_entry(self, recipe: Recipe, status: Status, reason: str = "") -> Entry:
        """Return an entry without a result."""
        return Entry(
            protocol=self.protocol.name,
            recipe=str(recipe),
            backbone=str(recipe.backbone.component),
            augmentation=str(recipe.augmentation.component),
            imbalance=str(recipe.imbalance.component),
            control=recipe.backbone.spec.control,
            status=status,
            reason=reason,
            versions=all_versions(),
            dataset=_dataset_facts(self),
            warnings=self.warnings,
        )


def study_identity(protocol: Protocol, engine: Part[Engine], recipe: Recipe, views: Sequence[ShardedArray]) -> str:
    """Return what a recipe's study depends on: the protocol less its budget, the features, engine and strategy."""
    features = [view.folder.name for view in views]
    return digest([protocol.study_identity, engine.identity, str(recipe), recipe.imbalance.identity, *features])


def _dataset_facts(contest: Contest) -> DatasetFacts:
    split, labels = contest.split, contest.dataset.labels
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    counts: dict[str, int] = {}
    for part, rows in parts.items():
        pneumonia = int(labels[rows].sum())
        counts |= {f"{part}_normal": len(rows) - pneumonia, f"{part}_pneumonia": pneumonia}
    return DatasetFacts(
        name=contest.dataset.name, fingerprint=contest.dataset.fingerprint, skipped=len(contest.dataset.skipped), **counts
    )
