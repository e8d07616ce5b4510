"""A strategy whose module imports NumPy, although it only has to be listed."""

import numpy as np

from cxrbench.plugin import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="heavy-import", factory=f"{__name__}:decide", summary="breaks light-import")]


def decide(fold, *, seed):
    return Balance(sample_weight=np.ones(len(fold.labels)))
