"""Whether images may be shown, by the class of their licence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.errors import ConfigError

if TYPE_CHECKING:
    from cxrbench.plugin.contracts import LicenceClass

BY_STRICTNESS: tuple[LicenceClass, ...] = ("undeclared", "open", "agreement", "credentialed")
"""Who declares nothing contradicts nobody."""
RESTRICTED = frozenset({"agreement", "credentialed"})
"""Licence classes that say who may see the images."""
ANYWAY = "--i-may-show-images"
WHY: dict[LicenceClass, str] = {
    "undeclared": "no licence class is declared for them. If their licence allows anybody to see them, declare it: "
    "--data 'folder:source=PATH,licence=open', likewise for a manifest; a plugin says licence_class=\"open\" in its Images. "
    f"If you may show them for another reason: {ANYWAY}",
    "agreement": "only those who accepted the agreement on their use may see them (licence class agreement). If all who will "
    f"see it did: {ANYWAY}",
    "credentialed": "only people who were admitted one by one may see them (licence class credentialed), and whatever shows "
    f"one must not leave this machine. If all who will see it were admitted: {ANYWAY}",
}


def strictest(*classes: LicenceClass) -> LicenceClass:
    """Return the strictest of what was declared for the same images."""
    return max(classes, key=BY_STRICTNESS.index)


def require_showable(dataset: str, licence_class: LicenceClass, may_show: bool) -> None:
    """Raise ConfigError, with the reason and what to do, unless the images are open or the user may show them.

    It is for a page beside a leaderboard, which is made to be published.
    """
    if licence_class != "open" and not may_show:
        raise _refused("--gallery", dataset, licence_class)


def require_no_agreement(option: str, dataset: str, licence_class: LicenceClass, may_show: bool) -> None:
    """Raise ConfigError likewise if the images are known to be restricted.

    It is for a file of the user's own, which `option` names.
    """
    if licence_class in RESTRICTED and not may_show:
        raise _refused(option, dataset, licence_class)


def _refused(option: str, dataset: str, licence_class: LicenceClass) -> ConfigError:
    return ConfigError(f"{option} shows no image of {dataset}: {WHY[licence_class]}")
