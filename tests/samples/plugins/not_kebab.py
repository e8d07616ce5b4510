"""Declares a name that is not kebab-case."""

from cxrbench import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="My_Net", factory=f"{__name__}:embed")]
