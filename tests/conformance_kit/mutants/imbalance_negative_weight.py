"""Breaks `weights`: a negative weight."""

from cxrbench.plugin import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="mutant", factory=f"{__name__}:decide")]


def decide(fold, *, seed):
    import numpy as np

    weights = np.ones(len(fold.labels))
    commoner = np.bincount(fold.labels).argmax()
    weights[np.flatnonzero(fold.labels == commoner)[0]] = -1
    return Balance(sample_weight=weights)
