"""The interface through which a run reports its progress. The command line implements it."""

from __future__ import annotations

import time

UNSEEN_S = 2.0
"""Shorter work is done before a reader has seen that it began."""


class Progress:
    """Receives messages and step counts of a run. Several threads call it. This class ignores them, for calls from Python."""

    def say(self, line: str) -> None:
        """Receive a message of one line."""

    def warn(self, line: str) -> None:
        """Receive a warning of one line."""

    def begin(self, stage: str, total: int, taken: float = 0.0) -> None:
        """Called when a stage of `total` steps starts, or has taken some seconds already."""

    def advance(self, stage: str, steps: int = 1) -> None:
        """Called when `steps` steps of a stage are finished."""

    def skip(self, stage: str, steps: int) -> None:
        """Called when `steps` steps of a stage turn out to be already done; they no longer count."""


class StageIfSlow:
    """A stage that shows once it has taken `UNSEEN_S` seconds. One thread calls it."""

    def __init__(self, progress: Progress, stage: str, total: int) -> None:
        """Begin to measure the time; nothing shows yet."""
        self._progress, self._stage, self._total = progress, stage, total
        self._start, self._done, self._shows = time.monotonic(), 0, False

    def advance(self) -> None:
        """Receive that a step is finished."""
        self._done += 1
        if self._shows:
            self._progress.advance(self._stage)
        elif (taken := time.monotonic() - self._start) >= UNSEEN_S:
            self._shows = True
            self._progress.begin(self._stage, self._total, taken)
            self._progress.advance(self._stage, self._done)
