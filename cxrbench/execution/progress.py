"""How a run tells what it does: lines and counts, drawn by whoever listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Hears what a run does; called from several threads."""

    def say(self, line: str) -> None:
        """Hear one line of talk."""
        ...

    def warn(self, line: str) -> None:
        """Hear something that a user should know."""
        ...

    def begin(self, stage: str, total: int) -> None:
        """Hear that a stage of `total` steps begins."""
        ...

    def advance(self, stage: str, steps: int = 1) -> None:
        """Hear that a stage has come further."""
        ...

    def skip(self, stage: str, steps: int) -> None:
        """Hear that a stage has so many steps less."""
        ...


class SilentProgress:
    """Hears, and does nothing; for calls from Python."""

    def say(self, line: str) -> None:
        """Do nothing."""

    def warn(self, line: str) -> None:
        """Do nothing."""

    def begin(self, stage: str, total: int) -> None:
        """Do nothing."""

    def advance(self, stage: str, steps: int = 1) -> None:
        """Do nothing."""

    def skip(self, stage: str, steps: int) -> None:
        """Do nothing."""
