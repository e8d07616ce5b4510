"""A strategy that raises an IndexError instead of a ConfigError if there are few rows."""

from cxrbench.plugin import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="needs-many", factory=f"{__name__}:decide", summary="breaks few-rows")]


def decide(fold, *, seed):
    import numpy as np

    rarer = np.flatnonzero(fold.labels == np.bincount(fold.labels).argmin())
    return Balance(indices=np.append(np.arange(len(fold.labels)), rarer[4]))
