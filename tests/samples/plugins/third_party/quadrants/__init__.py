"""A backbone by somebody else, installed with pip."""

from cxrbench.plugin import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="quadrants", factory="quadrants.embedding:quadrants", summary="mean and spread of square cells")]
