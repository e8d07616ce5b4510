"""Which shifts of the test images a run scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.models.features.extraction import Shifted
from cxrbench.plugin.specs import Shift

if TYPE_CHECKING:
    from cxrbench.config.settings import Settings
    from cxrbench.plugin.host import Host

STANDARD = ("blur", "border", "compression", "local-contrast")
"""The kinds that `auc_shifted` and `auc_worst` always mean: of role test, and covered by no first-party augmentation."""
STANDARD_STRENGTH = 1
"""The moderate one of three."""


def wanted_shifts(settings: Settings, host: Host) -> tuple[Shifted, ...]:
    """Return the shifts that the settings ask for, with their strengths."""
    declared = {one.spec.name: one for one in host.declarations(Shift)}
    if settings.robustness == "none":
        return ()
    names = STANDARD if settings.robustness == "standard" else tuple(declared)
    parts = [bind(parse_component(name), declared[name]) for name in names if name in declared]
    if settings.robustness == "standard":
        return tuple(Shifted(part=part, strength=part.spec.strengths[STANDARD_STRENGTH]) for part in parts)
    return tuple(Shifted(part=part, strength=strength) for part in parts for strength in part.spec.strengths)


def is_standard(shift: Shifted) -> bool:
    """Return whether a shift is one of the four standard kinds at the standard strength."""
    spec = shift.part.spec
    return spec.name in STANDARD and shift.strength == spec.strengths[STANDARD_STRENGTH]
