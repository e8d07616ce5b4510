"""Backbones: with an option of every type, with a required package, and with an argument that users cannot set."""

from typing import Literal

from cxrbench import Backbone, hookimpl


@hookimpl
def register_backbones():
    factory = f"{__name__}:described"
    return (
        Backbone(name="described", factory=factory, fixed={"network": "small"}),
        Backbone(name="needy", factory=factory, fixed={"network": "small"}, requires=("no-such-distribution>=2",)),
        Backbone(name="open", factory=f"{__name__}:takes_anything"),
    )


def described(
    *,
    input_shape,
    weights,
    seed,
    network: str,
    pooling: Literal["avg", "max"] = "avg",
    depth: int = 3,
    scale: float = 1.0,
    crop: bool = False,
    note: "str" = "",
):
    return (network, pooling, depth, scale, crop, note)


def takes_anything(*, input_shape, weights, seed, **options):
    return options
