"""Breaks `few-rows`: an IndexError instead of a ConfigError."""

from cxrbench.plugin import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="mutant", factory=f"{__name__}:decide")]


def decide(fold, *, seed):
    import numpy as np

    rarer = np.flatnonzero(fold.labels == np.bincount(fold.labels).argmin())
    return Balance(indices=np.append(np.arange(len(fold.labels)), rarer[4]))
