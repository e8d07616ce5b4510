"""Breaks `indices-in-range`: an index after the last row."""

from cxrbench.plugin import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="mutant", factory=f"{__name__}:decide")]


def decide(fold, *, seed):
    import numpy as np

    return Balance(indices=np.arange(len(fold.labels) + 1))
