"""The exceptions that end a check before it passes."""

from __future__ import annotations


class ContractBroken(AssertionError):
    """A plugin breaks a rule; the message says what it did."""


class NotCheckable(Exception):
    """A rule cannot be checked here; the message gives the reason."""


def require(condition: object, message: str) -> None:
    """Raise ContractBroken with a message unless a condition is true."""
    if not condition:
        raise ContractBroken(message)
