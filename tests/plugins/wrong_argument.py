"""Asks for something that an observer is never told."""

from cxrbench import hookimpl


@hookimpl
def on_entry(entry, colour):
    raise AssertionError("called without its argument")
