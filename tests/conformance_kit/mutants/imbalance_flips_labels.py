"""Breaks `fold-untouched`: cleans the labels that it was given, in place."""

from cxrbench.plugin import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="mutant", factory=f"{__name__}:decide")]


def decide(fold, *, seed):

    fold.labels[0] = 1 - fold.labels[0]
    return Balance()
