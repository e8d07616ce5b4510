"""The sex of a patient, from whatever the tables of collections write."""

from __future__ import annotations


def sex_of(text: str) -> str | None:
    """Return ``F`` or ``M`` for a text that begins with this letter, such as ``female``; None for any other."""
    letter = text.strip()[:1].upper()
    return letter if letter in {"F", "M"} else None
