"""Breaks `light-import`: NumPy at module level."""

import numpy as np

from cxrbench.plugin import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="mutant", factory=f"{__name__}:decide")]


def decide(fold, *, seed):
    return Balance(sample_weight=np.ones(len(fold.labels)))
