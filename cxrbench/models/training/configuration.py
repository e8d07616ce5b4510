"""The training configuration of every head, part of the protocol."""

from __future__ import annotations

from dataclasses import dataclass, replace

SCORED_AT_ONCE = 8192
"""Rows whose features are in memory at once during scoring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfiguration:
    """How a head is trained. Equal for every trial of every recipe, except that batches shrink if memory runs out.

    Attributes:
        epochs: maximum.
        batch_size: rows per optimizer step.
        patience: training stops after so many epochs without a better validation loss.
        scored_at_once: validation rows in memory at once.
    """

    epochs: int
    batch_size: int
    patience: int
    scored_at_once: int = SCORED_AT_ONCE

    def in_batches(self, batch_size: int) -> TrainingConfiguration:
        """Return the configuration with a smaller batch size, for less memory; `scored_at_once` shrinks in proportion."""
        scored = max(1, self.scored_at_once * batch_size // self.batch_size)
        return replace(self, batch_size=batch_size, scored_at_once=scored)
