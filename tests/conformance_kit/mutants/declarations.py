"""Strategies that break one rule each of those for every kind of plugin."""

from pathlib import Path

from cxrbench.plugin import Balance, Imbalance, hookimpl

UNWRITABLE = {"table": Path("rates.csv")}


@hookimpl
def register_imbalances():
    return [
        Imbalance(name="all", factory=f"{__name__}:decide", summary="breaks name"),
        Imbalance(name="mistyped", factory=f"{__name__}:decied", summary="breaks factory"),
        Imbalance(name="no-fold-argument", factory=f"{__name__}:decide_without_fold", summary="breaks factory"),
        Imbalance(name="points-nowhere", factory=f"{__name__}:decide", points_to=("code",), summary="breaks factory"),
        Imbalance(name="unwritable", factory=f"{__name__}:decide", fixed=UNWRITABLE, summary="breaks declaration-json"),
        Imbalance(name="undeclared-requirement", factory=f"{__name__}:decide_elsewhere", summary="breaks requirements"),
        Imbalance(name="raises", factory=f"{__name__}:decide_and_raise", summary="breaks builds"),
    ]


def decide(fold, *, seed, table=None):
    return Balance()


def decide_without_fold(*, seed):
    return Balance()


def decide_elsewhere(fold, *, seed):
    import no_such_module_anywhere

    return Balance(sample_weight=no_such_module_anywhere.weigh(fold.labels))


def decide_and_raise(fold, *, seed):
    raise KeyError("weights")
