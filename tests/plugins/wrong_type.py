"""Answers the question for backbones with something else."""

from cxrbench import Imbalance, hookimpl


@hookimpl
def register_backbones():
    return [Imbalance(name="half", factory=f"{__name__}:half")]
