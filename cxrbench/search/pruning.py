"""When a trial is given up: cut-offs per epoch, made from the curves of earlier generations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.config.values import Pruning
    from cxrbench.plugin.contracts import Trial

ENOUGH = 10
"""Earlier trials below which nothing is given up: as many as a TPE sampler draws at random before it begins to choose."""
REDUCTION = 4
"""One trial of so many goes on at a rung of successive halving, and the next rung is so many times as far (Li et al., 2020)."""


def cut_offs(policy: Pruning, earlier: Sequence[Trial], epochs: int) -> tuple[float, ...]:
    """Return for each epoch the validation loss that a trial's best so far must not exceed; infinite where any may go on.

    A trial that has come to the last epoch is paid for and never given up.

    ``median``: at every epoch, the median of the earlier trials' best so far (Golovin et al., Google Vizier, KDD 2017, 3.4).
    ``halving``: after 1, 4, 16, ... epochs the best quarter goes on (Li et al., ASHA, MLSys 2020, arXiv 1810.05934).
    """
    curves = [trial for trial in earlier if trial.losses]
    if policy == "none" or len(curves) < ENOUGH:
        return ()
    share = 1 / 2 if policy == "median" else 1 / REDUCTION
    rungs = range(epochs) if policy == "median" else _rungs(epochs)
    return tuple(_quantile(curves, epoch, share) if epoch in rungs else math.inf for epoch in range(epochs - 1))


def _rungs(epochs: int) -> set[int]:
    """Return the epochs, from 0, after which successive halving decides."""
    return {REDUCTION**power - 1 for power in range(epochs) if REDUCTION**power <= epochs}


def _quantile(curves: Sequence[Trial], epoch: int, share: float) -> float:
    """Return the best loss so far below which a share of the trials lie that came as far as `epoch`, or stopped early."""
    reached = [min(trial.losses[: epoch + 1]) for trial in curves if trial.state == "complete" or len(trial.losses) > epoch]
    return float(np.quantile(reached, share)) if reached else math.inf
