"""Breaks `declaration-json`: a path among the fixed arguments."""

from pathlib import Path

from cxrbench.plugin import Balance, Imbalance, hookimpl


@hookimpl
def register_imbalances():
    return [Imbalance(name="mutant", factory=f"{__name__}:decide", fixed={"table": Path("rates.csv")})]


def decide(fold, *, seed, table):
    return Balance()
