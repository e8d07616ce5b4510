"""The interface through which a run reports its progress. The command line implements it."""

from __future__ import annotations


class Progress:
    """Receives messages and step counts of a run. Several threads call it. This class ignores them, for calls from Python."""

    def say(self, line: str) -> None:
        """Receive a message of one line."""

    def warn(self, line: str) -> None:
        """Receive a warning of one line."""

    def begin(self, stage: str, total: int) -> None:
        """Called when a stage of `total` steps starts."""

    def advance(self, stage: str, steps: int = 1) -> None:
        """Called when `steps` steps of a stage are finished."""

    def skip(self, stage: str, steps: int) -> None:
        """Called when `steps` steps of a stage turn out to be already done; they no longer count."""
