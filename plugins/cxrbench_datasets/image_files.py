"""Count image files, and list where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMED = 12
"""Places that a warning names."""


def how_many(places: Mapping[str, int]) -> str:
    """Return the number of image files in all places, in words."""
    total = sum(places.values())
    return f"{total:,} image file{'' if total == 1 else 's'}"


def listed(places: Mapping[str, int]) -> str:
    """Return the places with their numbers of image files; of more than 12, the others are counted."""
    shown = [f"{place} ({count:,})" for place, count in places.items() if count]
    more = f", and {len(shown) - NAMED:,} more" if len(shown) > NAMED else ""
    return f"{', '.join(shown[:NAMED])}{more}"
