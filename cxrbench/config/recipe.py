"""Recipes (one backbone x one augmentation x one imbalance strategy), their names and their grid."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from cxrbench.config.component import Component, parse_component
from cxrbench.config.part import Part, bind
from cxrbench.errors import unknown_name
from cxrbench.plugin.host import Spec_co, kind_name
from cxrbench.plugin.specs import Augmentation, Backbone, Imbalance
from cxrbench.storage.files import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cxrbench.config.values import Stage
    from cxrbench.plugin.host import Host


def name_in_table(text: str) -> str:
    """Return the name of a recipe that was copied from a table, where spaces surround the plus signs."""
    return "+".join(part.strip() for part in text.split(" + "))


def row_name(recipe: str, stage: Stage) -> str:
    """Return the name of the result of a recipe at a stage: that of the recipe if only a head was trained."""
    return recipe if stage == "head" else f"{recipe}@{stage}"


def unit_of(stage: Stage) -> str:
    """Return what a row of a stage has one or several of: `head` or `network`."""
    return "head" if stage == "head" else "network"


def stem_of(recipe: str) -> str:
    """Return a file stem that is unique to the recipe, or the row, of this name."""
    readable = re.sub(r"[^A-Za-z0-9.+=-]", "-", recipe)
    return readable if readable == recipe and len(recipe) <= LONGEST_STEM else f"{readable[:LONGEST_STEM]}-{digest(recipe)[:6]}"


LONGEST_STEM = 160
"""File systems allow names of 255 bytes; a suffix and a hash are added to the stem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One backbone, one augmentation and one imbalance strategy with their fixed options."""

    backbone: Part[Backbone]
    augmentation: Part[Augmentation]
    imbalance: Part[Imbalance]

    def __str__(self) -> str:
        return f"{self.backbone.component}+{self.augmentation.component}+{self.imbalance.component}"

    @property
    def canonical(self) -> str:
        """Its name in identities and seeds, where files count by their bytes."""
        return f"{self.backbone.canonical}+{self.augmentation.canonical}+{self.imbalance.canonical}"

    @property
    def identity(self) -> tuple[str, str, str]:
        """Everything that its behaviour depends on."""
        return self.backbone.identity, self.augmentation.identity, self.imbalance.identity

    @property
    def file_stem(self) -> str:
        """A readable file stem that is unique to the recipe."""
        return stem_of(str(self))


def all_recipes(
    backbones: Sequence[Part[Backbone]],
    augmentations: Sequence[Part[Augmentation]],
    imbalances: Sequence[Part[Imbalance]],
    controls: Sequence[Recipe] = (),
) -> list[Recipe]:
    """Return every combination of the components, and the controls, each once."""
    recipes = [
        Recipe(backbone=backbone, augmentation=augmentation, imbalance=imbalance)
        for backbone, augmentation, imbalance in itertools.product(backbones, augmentations, imbalances)
    ]
    return list(dict.fromkeys([*recipes, *controls]))


def expand(host: Host, kind: type[Spec_co], texts: Iterable[str]) -> list[Part[Spec_co]]:
    """Return the parts that component strings name, each once and in the given order.

    Names may contain wildcards (``mobilenet*``) or be ``all``, which does not include controls.
    """
    found: dict[str, Part[Spec_co]] = {}
    for text in texts:
        component = parse_component(text)
        for name in _matching(host, kind, component.name):
            part = bind(Component(name=name, options=component.options), host.find(kind, name))
            found.setdefault(str(part.canonical), part)
    return list(found.values())


def control_recipes(host: Host) -> list[Recipe]:
    """Return each control with `none` and `none`."""
    augmentation, imbalance = expand(host, Augmentation, ["none"])[0], expand(host, Imbalance, ["none"])[0]
    return [
        Recipe(
            backbone=bind(Component(name=declaration.spec.name), declaration), augmentation=augmentation, imbalance=imbalance
        )
        for declaration in host.declarations(Backbone)
        if declaration.spec.control
    ]


def is_pattern(text: str) -> bool:
    """Return whether a component string is a wildcard."""
    name = parse_component(text).name
    return name == "all" or any(sign in name for sign in "*?[")


def _matching(host: Host, kind: type[Spec_co], pattern: str) -> list[str]:
    if not is_pattern(pattern):
        return [pattern]
    specs = [declaration.spec for declaration in host.declarations(kind)]
    found = [spec for spec in specs if pattern == "all" or fnmatchcase(spec.name, pattern)]
    plain = [spec.name for spec in found if not getattr(spec, "control", False)]
    matching = plain or [spec.name for spec in found]  # controls run anyway
    if not matching:
        raise unknown_name(kind_name(kind), pattern, (spec.name for spec in specs))
    return matching
