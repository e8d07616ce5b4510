"""How every head is trained: part of the protocol."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Regimen:
    """The same for every trial of every recipe.

    Attributes:
        epochs: at most.
        batch_size: rows per optimizer step.
        patience: epochs without a better validation loss after which training stops.
    """

    epochs: int
    batch_size: int
    patience: int
