"""Prune trials: cut-offs per epoch from the loss curves of earlier generations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.config.values import Pruning
    from cxrbench.plugin.contracts import Trial

MIN_EARLIER_TRIALS = 10
"""Earlier trials needed before a trial is pruned: as many as a TPE sampler draws at random at the start."""
HALVING_FACTOR = 4
"""Successive halving: 1 in 4 trials passes a rung, and the next rung has 4 times the epochs (Li et al., 2020)."""


def cut_offs(policy: Pruning, earlier: Sequence[Trial], epochs: int) -> tuple[float, ...]:
    """Return, for each epoch, the limit for a trial's best validation loss so far; infinite where no trial is pruned.

    There is no limit at the last epoch: that trial has already been trained.

    ``median``: at every epoch, the median of the earlier trials' best so far (Golovin et al., Google Vizier, KDD 2017, 3.4).
    ``halving``: after 1, 4, 16, ... epochs the best quarter continues (Li et al., ASHA, MLSys 2020, arXiv 1810.05934).
    """
    curves = [trial for trial in earlier if trial.losses]
    if policy == "none" or len(curves) < MIN_EARLIER_TRIALS:
        return ()
    share = 1 / 2 if policy == "median" else 1 / HALVING_FACTOR
    rungs = range(epochs) if policy == "median" else _rungs(epochs)
    return tuple(_quantile(curves, epoch, share) if epoch in rungs else math.inf for epoch in range(epochs - 1))


def _rungs(epochs: int) -> set[int]:
    """Return the epochs (from 0) of the rungs of successive halving."""
    return {HALVING_FACTOR**power - 1 for power in range(epochs) if HALVING_FACTOR**power <= epochs}


def _quantile(curves: Sequence[Trial], epoch: int, share: float) -> float:
    """Return a quantile of the best loss so far, over the trials that reached `epoch` or stopped early before it."""
    reached = [min(trial.losses[: epoch + 1]) for trial in curves if trial.state == "complete" or len(trial.losses) > epoch]
    return float(np.quantile(reached, share)) if reached else math.inf
