"""Which shifts a run scores: of the test images, and of the validation images where the search selects under shifts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.data.shifted import Shifted
from cxrbench.errors import ConfigError
from cxrbench.plugin.specs import Shift

if TYPE_CHECKING:
    from cxrbench.config.settings import Settings
    from cxrbench.plugin.host import Host

STANDARD = ("blur", "border", "compression", "local-contrast")
"""The kinds that `auc_shifted` and `auc_worst` always mean: of role test, and covered by no first-party augmentation."""
STANDARD_STRENGTH = 1
"""The moderate one of three."""
DEVELOPMENT = ("crop", "marker", "resolution", "window")
"""The kinds of role development that ``--select robust`` selects under, each at the moderate strength.

Each stands for one step on the way of an image: crop for how the patient is framed (geometry), resolution for how sharply the
image is stored (sharpness), window for how it is displayed (grey levels), marker for what is burnt into it. They were chosen
before any score was seen. None draws random numbers, so a shifted image depends on nothing but the image.
"""


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


def development_shifts(settings: Settings, host: Host) -> tuple[Shifted, ...]:
    """Return the shifts of the validation images that the search selects under: none unless ``--select robust``.

    Raises:
        ConfigError: no plugin declares one of them.
    """
    if settings.select != "robust":
        return ()
    declared = {one.spec.name: one for one in host.declarations(Shift)}
    if missing := [name for name in DEVELOPMENT if name not in declared]:
        raise ConfigError(
            f"--select robust needs the shifts {', '.join(DEVELOPMENT)}, but no plugin declares {', '.join(missing)}. "
            "Load the plugin that does (see --without), or leave --select out"
        )
    parts = [bind(parse_component(name), declared[name]) for name in DEVELOPMENT]
    return tuple(Shifted(part=part, strength=part.spec.strengths[STANDARD_STRENGTH]) for part in parts)


def is_standard(shift: Shifted) -> bool:
    """Return whether a shift is one of the four standard kinds at the standard strength."""
    spec = shift.part.spec
    return spec.name in STANDARD and shift.strength == spec.strengths[STANDARD_STRENGTH]


def divided(shifts: tuple[Shifted, ...]) -> tuple[tuple[Shifted, ...], tuple[Shifted, ...]]:
    """Return the standard shifts, which all test images are scored under, and the others, for a sample of the test images."""
    standard = tuple(filter(is_standard, shifts))
    return standard, tuple(shift for shift in shifts if shift not in standard)
