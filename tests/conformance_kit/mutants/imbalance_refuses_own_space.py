"""Breaks `own-space`: rejects a part of its declared space."""

from cxrbench.plugin import Balance, Float, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="mutant", factory=f"{__name__}:decide", space={"power": Float(low=0.0, high=1.0)})]


def decide(fold, *, seed, power):
    import numpy as np

    if power > 0.9:
        raise ValueError(f"power={power} is too much")
    return Balance(sample_weight=np.ones(len(fold.labels)))
