"""Forgets to return its declarations."""

from cxrbench import Backbone, hookimpl


@hookimpl
def register_backbones():
    Backbone(name="forgotten", factory=f"{__name__}:embed")
