"""Ranks by what shifts leave: by the mean over the standard shifts, and by the worst of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.evaluation.ranking import ranks, resample, standings
from cxrbench.evaluation.shifted import worst_shift

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cxrbench.config.protocol import Protocol
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.evaluation.ranking import Rank, Resampled, Standing

    Shifted = Mapping[str, tuple[Predictions, ...]]

WORST = "auc_worst"
RANKED = {
    "auc_shifted": "auc",
    WORST: "auc",
    "accuracy_shifted": "accuracy",
    "recall_shifted": "recall",
    "specificity_shifted": "specificity",
}
"""The columns under shifts that have ranks and that a board can be ranked by, and their metrics."""


def ranks_under_shifts(shifted: Shifted, protocol: Protocol) -> dict[str, dict[str, Rank]]:
    """Return the rank of each entry by each column of `RANKED`, by column and recipe; controls count.

    Args:
        shifted: by recipe, the test predictions under the standard shifts, as if each shift were a further seed.
        protocol: of the entries.
    """
    means, worst = (_resampled(shifted, column, protocol) for column in ("auc_shifted", WORST))
    return {column: ranks(worst if column == WORST else means, metric) for column, metric in RANKED.items()}


def standings_under_shifts(shifted: Shifted, column: str, protocol: Protocol) -> dict[str, Standing]:
    """Return the standing of each entry by one column of `RANKED`, by recipe; arguments as `ranks_under_shifts`."""
    resampled = _resampled(shifted, column, protocol)
    return standings(_scored(shifted, column), resampled, metric=RANKED[column], seed=protocol.seed)


def _resampled(shifted: Shifted, column: str, protocol: Protocol) -> Resampled:
    names = {"auc"} if column == WORST else set(RANKED.values())
    return resample(_scored(shifted, column), names, seed=protocol.seed, prevalence=protocol.prevalence)


def _scored(shifted: Shifted, column: str) -> Shifted:
    """Return the predictions that a column is about."""
    return {recipe: worst_shift(heads) for recipe, heads in shifted.items()} if column == WORST else shifted
