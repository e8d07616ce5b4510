"""Breaks `factory`: the factory does not exist."""

from cxrbench.plugin import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="mutant", factory=f"{__name__}:decied")]


def decide(fold, *, seed):
    return Balance()
