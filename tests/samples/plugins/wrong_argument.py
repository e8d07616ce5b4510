"""Its callback names an argument that the hook does not have."""

from cxrbench import hookimpl


@hookimpl
def on_entry(entry, colour):
    raise AssertionError("called without its argument")
