"""Breaks `factory`: does not accept the argument seed."""

from cxrbench.plugin import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="mutant", factory=f"{__name__}:decide")]


def decide(fold):
    return Balance()
