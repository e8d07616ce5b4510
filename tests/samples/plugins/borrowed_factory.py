"""Declares the factory of another package with a fixed argument."""

from cxrbench import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="fine-texture", factory="cxrbench_backbones.texture:texture", fixed={"radius": 2})]
