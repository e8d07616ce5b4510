"""Breaks `synthetic`: synthetic rows of NaN."""

from cxrbench.plugin import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="mutant", factory=f"{__name__}:decide", needs_features=True)]


def decide(fold, *, seed):
    import numpy as np

    rarer = int(np.bincount(fold.labels).argmin())
    rows = np.full((3, fold.features.shape[1]), np.nan, dtype=np.float32)
    return Balance(synthetic=(rows, np.full(3, rarer)))
