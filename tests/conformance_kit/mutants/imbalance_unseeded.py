"""Breaks `seeded`: draws from the process's own random numbers."""

from cxrbench.plugin import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="mutant", factory=f"{__name__}:decide")]


def decide(fold, *, seed):
    import numpy as np

    rarer = int(np.bincount(fold.labels).argmin())
    more = np.random.choice(np.flatnonzero(fold.labels == rarer), 20)
    return Balance(indices=np.concatenate([np.arange(len(fold.labels)), more]))
