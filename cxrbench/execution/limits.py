"""Limits of a call that the user set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits that the user set; None for no limit.

    Attributes:
        timeout: time limit of one shard or trial, in seconds.
        memory: memory limit of one worker, in bytes.
    """

    timeout: float | None = None
    memory: int | None = None


NO_LIMITS = Limits()
DEFAULT_TIMEOUT = 6 * 3600
"""Time limit of a call in seconds if the user sets none. No shard or trial needs that long."""
