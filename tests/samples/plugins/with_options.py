"""Backbones: with an option of every type, with a required package, and with an argument that users cannot set."""

from typing import TYPE_CHECKING, Literal

from cxrbench import Backbone, hookimpl

if TYPE_CHECKING:
    from no_such_module_anywhere import Grid, Network


@hookimpl
def register_backbones():
    factory = f"{__name__}:described"
    return (
        Backbone(name="described", factory=factory, fixed={"network": "small"}),
        Backbone(name="needy", factory=factory, fixed={"network": "small"}, requires=("no-such-distribution>=2",)),
        Backbone(name="open", factory=f"{__name__}:takes_anything"),
        Backbone(name="type-checked", factory=f"{__name__}:for_type_checkers"),
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


def for_type_checkers(*, input_shape, weights, seed, grid: "Grid" = 8, depth: "int" = 3) -> "Network":
    return (grid, depth)
