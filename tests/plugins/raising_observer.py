"""Raises whenever it is notified of an entry."""

from cxrbench import hookimpl


@hookimpl
def on_entry(entry):
    raise ValueError(f"cannot post {entry}")
