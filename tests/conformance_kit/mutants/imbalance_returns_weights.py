"""Breaks `balance`: weights instead of a decision."""

from cxrbench.plugin import Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="mutant", factory=f"{__name__}:decide")]


def decide(fold, *, seed):
    import numpy as np

    return np.ones(len(fold.labels))
