"""How every head is trained: part of the protocol."""

from __future__ import annotations

from dataclasses import dataclass, replace

SCORED_AT_ONCE = 8192
"""Rows whose features are in memory at once while they are scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfiguration:
    """The same for every trial of every recipe, as far as memory allows.

    Attributes:
        epochs: at most.
        batch_size: rows per optimizer step.
        patience: epochs without a better validation loss after which training stops.
        scored_at_once: validation rows in memory at once.
    """

    epochs: int
    batch_size: int
    patience: int
    scored_at_once: int = SCORED_AT_ONCE

    def in_batches(self, batch_size: int) -> TrainingConfiguration:
        """Return the configuration for less memory: all that is in memory at once shrinks like the batch."""
        scored = max(1, self.scored_at_once * batch_size // self.batch_size)
        return replace(self, batch_size=batch_size, scored_at_once=scored)
