"""Predictions: the scores of a head for the images of one subset. Every metric is computed from stored ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

Subset = Literal["validation", "test", "external"]
SUBSETS: tuple[Subset, ...] = ("validation", "test", "external")
MEAN_OF_SEEDS = -1
"""In place of a seed: the mean of the logits of the heads of all seeds of a fold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """The scores of one head for the images of one subset, and their threshold.

    Attributes:
        subset: validation, test or external.
        fold: number of the fold that the head was trained and validated on.
        seed: number of the training repeat, from 0, or `MEAN_OF_SEEDS`.
        keys, patients: text ``[n]``. A patient is in the test images of one fold only, unless folds
            leave out groups.
        labels: int ``[n]``, 1 for the positive class.
        scores: float64 ``[n]`` in 0..1.
        threshold: chosen on validation images; a score at or above it is a positive call. None until one is chosen.
        groups: by column, such as ``sex``, the group of each image, text ``[n]``; empty where nothing is known.
    """

    subset: Subset
    fold: int
    seed: int
    keys: NDArray[np.str_]
    patients: NDArray[np.str_]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    threshold: float | None = None
    groups: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)

    @property
    def chosen_threshold(self) -> float:
        """The threshold. Raises ValueError if none is chosen yet."""
        if self.threshold is None:
            raise ValueError(f"fold {self.fold}, seed {self.seed}: no threshold is chosen yet")
        return self.threshold

    def at(self, threshold: float) -> Predictions:
        """Return a copy with this threshold."""
        return replace(self, threshold=threshold)

    def only(self, chosen: NDArray[np.bool_]) -> Predictions:
        """Return those of some images, bool ``[n]``."""
        return replace(
            self,
            keys=self.keys[chosen],
            patients=self.patients[chosen],
            labels=self.labels[chosen],
            scores=self.scores[chosen],
            groups={column: groups[chosen] for column, groups in self.groups.items()},
        )


def of_subset(predictions: Iterable[Predictions], subset: Subset) -> Mapping[tuple[int, int], Predictions]:
    """Return the predictions of the single heads for one subset, by (fold, seed)."""
    heads = (head for head in predictions if head.subset == subset and head.seed != MEAN_OF_SEEDS)
    return {(head.fold, head.seed): head for head in heads}


def means_of_seeds(predictions: Iterable[Predictions], subset: Subset) -> Mapping[int, Predictions]:
    """Return the predictions of the means of seeds for one subset, by fold."""
    return {one.fold: one for one in predictions if one.subset == subset and one.seed == MEAN_OF_SEEDS}


def by_fold(predictions: Sequence[Predictions]) -> dict[int, list[Predictions]]:
    """Return the predictions of each fold, sorted by fold and seed."""
    folds: dict[int, list[Predictions]] = {}
    for head in sorted(predictions, key=lambda head: (head.fold, head.seed)):
        folds.setdefault(head.fold, []).append(head)
    return folds
