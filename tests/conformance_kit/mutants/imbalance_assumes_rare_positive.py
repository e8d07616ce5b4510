"""Breaks `minority-kept`: assumes that the positive class is the rarer one."""

from cxrbench.plugin import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="mutant", factory=f"{__name__}:decide")]


def decide(fold, *, seed):
    import numpy as np

    return Balance(sample_weight=np.where(fold.labels == 1, 3.0, 1.0))
