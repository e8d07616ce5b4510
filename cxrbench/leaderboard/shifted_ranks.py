"""Ranks by what shifts leave: by the mean over the standard shifts, and by the worst of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cxrbench.evaluation.ranking import ranks, resample, standings
from cxrbench.evaluation.shifted import worst_shift

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cxrbench.config.protocol import Protocol
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.evaluation.ranking import Rank, Resampled, Standing

WORST = "auc_worst"
RANKED = {
    "auc_shifted": "auc",
    WORST: "auc",
    "accuracy_shifted": "accuracy",
    "recall_shifted": "recall",
    "specificity_shifted": "specificity",
}
"""The columns under shifts that have ranks and that a board can be ranked by, and their metrics."""


@dataclass(frozen=True, kw_only=True)
class UnderShifts:
    """The entries of a board under the standard shifts; they are resampled once for all columns of `RANKED`.

    Attributes:
        predictions: by recipe, the test predictions under the shifts, as if each shift were a further seed.
        protocol: of the entries.
    """

    predictions: Mapping[str, tuple[Predictions, ...]]
    protocol: Protocol

    @cached_property
    def ranks(self) -> dict[str, dict[str, Rank]]:
        """The rank of each entry by each column of `RANKED`, by column and recipe; controls count."""
        return {column: ranks(self._resampled(column), metric) for column, metric in RANKED.items()}

    def standings(self, column: str) -> dict[str, Standing]:
        """Return the standing of each entry by one column of `RANKED`, by recipe."""
        scored = self._worst if column == WORST else self.predictions
        return standings(scored, self._resampled(column), metric=RANKED[column], seed=self.protocol.seed)

    def _resampled(self, column: str) -> Resampled:
        return self._worst_resampled if column == WORST else self._means_resampled

    @cached_property
    def _worst(self) -> dict[str, tuple[Predictions, ...]]:
        """The test predictions under the shift that is worst for each recipe."""
        return {recipe: worst_shift(heads) for recipe, heads in self.predictions.items()}

    @cached_property
    def _worst_resampled(self) -> Resampled:
        return resample(self._worst, {"auc"}, seed=self.protocol.seed, prevalence=self.protocol.prevalence)

    @cached_property
    def _means_resampled(self) -> Resampled:
        names = set(RANKED.values())
        return resample(self.predictions, names, seed=self.protocol.seed, prevalence=self.protocol.prevalence)
