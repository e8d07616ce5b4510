"""Declares factories that do not exist."""

from cxrbench import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="not-in-file", factory=f"{__name__}:nowhere")]
