"""Strategies that keep every row once: nothing, class weights, the focal loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.plugin import Balance, ConfigError, Focal
from cxrbench_imbalances.nothing_to_balance import why_nothing

if TYPE_CHECKING:
    from cxrbench.plugin import Fold


def unchanged(fold: Fold, *, seed: int) -> Balance:
    """Train on the fold as it is."""
    del fold, seed
    return Balance()


def class_weights(fold: Fold, *, seed: int) -> Balance:
    """Weigh each class by n / (2 n_class): both weigh the same in all, the mean weight is 1 (King and Zeng, 2001)."""
    del seed
    reason, counts = why_nothing(fold.labels), np.bincount(fold.labels, minlength=2)
    if not counts.all():
        return Balance(note=reason)
    return Balance(sample_weight=(len(fold.labels) / (2 * counts))[fold.labels], note=reason)


def focal(fold: Fold, *, seed: int, gamma: float = 2.0) -> Balance:
    """Train with the focal loss (Lin et al., ICCV 2017); gamma 0 is the cross-entropy."""
    del fold, seed
    if gamma < 0:
        raise ConfigError(f"focal: gamma={gamma} must not be negative")
    return Balance(loss=Focal(gamma=gamma))
