"""Offers another package's factory with an argument of its own."""

from cxrbench import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="fine-texture", factory="cxrbench_backbones.texture:texture", fixed={"radius": 2})]
