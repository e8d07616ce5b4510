"""Has a name that nobody can type twice the same way."""

from cxrbench import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="My_Net", factory=f"{__name__}:embed")]
