"""Points at factories that are not there."""

from cxrbench import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="not-in-file", factory=f"{__name__}:nowhere")]
