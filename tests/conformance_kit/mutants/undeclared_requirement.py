"""Breaks `requirements`: imports a package that it does not declare."""

from cxrbench.plugin import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="mutant", factory=f"{__name__}:decide")]


def decide(fold, *, seed):
    import no_such_module_anywhere

    return Balance(sample_weight=no_such_module_anywhere.weigh(fold.labels))
