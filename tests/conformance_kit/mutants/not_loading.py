"""A plugin with an unknown hook."""

from cxrbench.plugin import hookimpl


@hookimpl
def register_backbone():
    return []
