"""Breaks whenever it is told of an entry."""

from cxrbench import hookimpl


@hookimpl
def on_entry(entry):
    raise ValueError(f"cannot post {entry}")
