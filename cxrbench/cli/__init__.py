"""The command line: one file per command. A command imports what it needs in its body, so that `--help` stays fast."""

from cxrbench.cli.app import main

__all__ = ["main"]
