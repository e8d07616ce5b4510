"""Breaks `builds`: raises a KeyError."""

from cxrbench.plugin import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="mutant", factory=f"{__name__}:decide")]


def decide(fold, *, seed):
    return Balance(sample_weight=fold.labels / 0 if seed < 0 else {}["weights"])
