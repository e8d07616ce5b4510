"""Which version of the plugin API this is, and whether it is the one that a plugin asks for."""

from __future__ import annotations

from typing import Any

from cxrbench.errors import PluginError

API_VERSION = "1.0"
"""Grows with every addition; the first number with every change that could break a plugin."""
REQUIRES = "requires_api"


def check_api(module: Any, distribution: str = "") -> None:
    """Hold what a plugin module says in `requires_api`, such as ``">=1,<2"``, against this API.

    Raises:
        PluginError: it asks for another version, or what it says is no specifier of versions (PEP 440).
    """
    wanted = getattr(module, REQUIRES, None)
    if wanted is None:
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # no other plugin needs it

    try:
        met = SpecifierSet(wanted).contains(API_VERSION)
    except (InvalidSpecifier, TypeError, AttributeError):
        raise PluginError(f'{REQUIRES} = {wanted!r} names no versions: write it like ">=1,<2"') from None
    if not met:
        older = f"pip install --upgrade cxrbench {distribution}".strip()
        remedy = older if distribution else f"{older}, or get this file anew from its author"
        raise PluginError(f"it needs plugin API {wanted} and this cxrbench has {API_VERSION}: {remedy}")
