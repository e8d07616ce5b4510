"""A plugin whose callback always raises."""

from cxrbench import hookimpl


@hookimpl
def on_entry(entry):
    raise ValueError(f"cannot post {entry}")
