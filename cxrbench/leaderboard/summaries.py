"""The numbers of an entry from its units, under its protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.evaluation.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.config.protocol import Protocol
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.evaluation.summary import Summary


def summarise_under(protocol: Protocol, units: Sequence[Predictions]) -> Summary:
    """Summarise the units of an entry."""
    return summarise(units, seed=protocol.seed, prevalence=protocol.prevalence, also_at=protocol.also_at)
