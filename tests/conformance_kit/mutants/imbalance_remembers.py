"""Breaks `from-the-fold`: makes rows from the first fold that it received."""

from cxrbench.plugin import Balance, Imbalance, hookimpl

SEEN = []


@hookimpl
def register_imbalances():
    return [Imbalance(name="mutant", factory=f"{__name__}:decide", needs_features=True)]


def decide(fold, *, seed):
    import numpy as np

    rarer = int(np.bincount(fold.labels).argmin())
    SEEN.append(fold.features[:5].copy())
    return Balance(synthetic=(SEEN[0] + 0.01, np.full(len(SEEN[0]), rarer)))
