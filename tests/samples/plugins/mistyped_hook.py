"""Misspells register_backbones."""

from cxrbench import Backbone, hookimpl


@hookimpl
def register_backbone():
    return [Backbone(name="never-seen", factory=f"{__name__}:never_seen")]
