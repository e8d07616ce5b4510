"""Raises in register_backbones."""

from cxrbench import Backbone, hookimpl


@hookimpl
def register_backbones():
    yield Backbone(name="half-declared", factory=f"{__name__}:embed")
    raise RuntimeError("the licence server :x: is away\nand more on a second line")
