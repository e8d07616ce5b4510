"""The version of the plugin API, and the check of the version that a plugin requires."""

from __future__ import annotations

from typing import Any

from cxrbench.errors import PluginError

API_VERSION = "1.4"
"""Every addition raises the second number. A change that could break a plugin raises the first."""
REQUIRES_ATTRIBUTE = "requires_api"


def check_api(module: Any, distribution: str = "") -> None:
    """Check the API version that a plugin module requires in `requires_api`, such as ``">=1,<2"``.

    Args:
        module: the plugin; it may have no such attribute.
        distribution: the distribution of the plugin, or an empty string for a one-file plugin.

    Raises:
        PluginError: the plugin requires another version, or `requires_api` is not a version specifier (PEP 440).
    """
    required = getattr(module, REQUIRES_ATTRIBUTE, None)
    if required is None:
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # needed only here; keeps start-up light

    try:
        is_met = SpecifierSet(required).contains(API_VERSION)
    except (InvalidSpecifier, TypeError, AttributeError):
        raise PluginError(
            f'{REQUIRES_ATTRIBUTE} = {required!r} is not a valid version specifier: write it like ">=1,<2"'
        ) from None
    if not is_met:
        upgrade = f"pip install --upgrade cxrbench {distribution}".strip()
        remedy = upgrade if distribution else f"{upgrade}, or ask its author for a newer file"
        raise PluginError(f"it needs plugin API {required}, but this cxrbench has {API_VERSION}: {remedy}")
