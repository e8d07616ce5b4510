"""The views of images, and the choice of some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.plugin import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

PA, AP, FRONTAL, LATERAL, OTHER = "PA", "AP", "frontal", "lateral", "other"
"""The views of records: ``frontal`` is PA or AP, and it is not known which."""
_CHOICES: Mapping[str, frozenset[str | None]] = {
    "frontal": frozenset({PA, AP, FRONTAL}),
    "pa": frozenset({PA}),
    "ap": frozenset({AP}),
    "lateral": frozenset({LATERAL}),
    "all": frozenset({PA, AP, FRONTAL, LATERAL, OTHER, None}),
}


def wanted_views(text: str) -> frozenset[str | None]:
    """Return the views that an option such as ``frontal`` or ``PA+lateral`` stands for; None is an unknown view.

    Only ``all`` takes images whose view is unknown or another one.

    Raises:
        ConfigError: a word is not frontal, PA, AP, lateral or all.
    """
    words = text.split("+")
    if unknown := [word for word in words if word.strip().casefold() not in _CHOICES]:
        raise ConfigError(
            f"views={text}: {unknown[0]!r} is not a view: write frontal, PA, AP, lateral or all, or several as in PA+lateral"
        )
    return frozenset().union(*(_CHOICES[word.strip().casefold()] for word in words))
