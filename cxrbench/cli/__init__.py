"""The command line: one file per command; a command's body imports what it needs."""

from cxrbench.cli.app import main

__all__ = ["main"]
