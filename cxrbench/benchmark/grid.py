"""The grid of a run: its recipes with their options checked, and the backbones that are skipped because of their weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from cxrbench.config.component import parse_component
from cxrbench.config.part import check_options
from cxrbench.config.recipe import Recipe, all_recipes, control_recipes, expand, is_pattern, name_in_table
from cxrbench.config.settings import DEFAULT_BACKBONES
from cxrbench.errors import ConfigError, PluginError, unknown_name
from cxrbench.models.features.extraction import count_views
from cxrbench.models.features.frozen_backbone import CHANNELS
from cxrbench.models.weights import weights_available
from cxrbench.plugin.host import Plugin
from cxrbench.plugin.specs import Augmentation, Backbone, Imbalance, Spec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cxrbench.config.part import Part
    from cxrbench.config.settings import Settings
    from cxrbench.data.download import Downloader
    from cxrbench.plugin.host import Host


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The recipes of a run.

    Attributes:
        skipped_backbones: backbones that the user did not name and whose weights are not on this machine.
    """

    recipes: tuple[Recipe, ...]
    skipped_backbones: tuple[str, ...]


def find_recipe(host: Host, text: str) -> Recipe:
    """Return the recipe of a name as tables show it.

    Raises:
        ConfigError: it is not three components that are known, or an option is invalid.
    """
    names = name_in_table(text).split("+")
    if len(names) != 3 or any(map(is_pattern, names)):
        raise ConfigError(
            f"{text!r} is not the name of a recipe: give BACKBONE+AUGMENTATION+IMBALANCE, such as darkcovidnet+gentle+none"
        )
    recipe = Recipe(
        backbone=expand(host, Backbone, names[:1])[0],
        augmentation=expand(host, Augmentation, names[1:2])[0],
        imbalance=expand(host, Imbalance, names[2:])[0],
    )
    for part in (recipe.backbone, recipe.augmentation, recipe.imbalance):
        _check_component(part)
    return recipe


def make_grid(host: Host, settings: Settings, downloader: Downloader) -> Grid:
    """Return the recipes of a run.

    A backbone that the user names is always part of the grid, and its weights are fetched. A backbone from a wildcard or the
    default grid is part of it if its weights are on the machine, or with ``--download``. An unknown backbone becomes a failed
    row if a plugin that could not be loaded may declare it and there is another backbone to run.

    Raises:
        ConfigError: an unknown component, or an invalid option.
    """
    _check_blocked(host, settings.without)
    host = _with_stand_ins(host, settings.backbone)
    chosen: list[Part[Backbone]] = []
    skipped: list[str] = []
    input_shape = (settings.image_size, settings.image_size, CHANNELS)
    for text in settings.backbone or _known_defaults(host):
        is_named = bool(settings.backbone) and not is_pattern(text)
        for backbone in expand(host, Backbone, [text]):
            _check_component(backbone)
            here = _weights_are_here(backbone, input_shape, downloader)
            if here or is_named or settings.download:
                chosen.append(backbone)
            else:
                skipped.append(str(backbone.component))
    augmentations = expand(host, Augmentation, settings.augmentation)
    imbalances = expand(host, Imbalance, settings.imbalance)
    recipes = all_recipes(chosen, augmentations, imbalances, control_recipes(host) if settings.controls else ())
    if not recipes:
        remedy = (
            f"the weights of {', '.join(skipped)} are not on this machine. Fetch them with --download"
            if skipped
            else "name a --backbone"
        )
        raise ConfigError(f"there is no recipe to run: {remedy}")
    for part in (*augmentations, *imbalances):
        _check_component(part)
    for augmentation in augmentations:
        count_views(augmentation)
    return Grid(recipes=tuple(recipes), skipped_backbones=tuple(skipped))


def _check_blocked(host: Host, names: Iterable[str]) -> None:
    known = {plugin.name for plugin in host.plugins} | {plugin.file.stem for plugin in host.plugins if plugin.file}
    for name in names:
        if name not in known:
            raise unknown_name("plugin", name, known)


def _with_stand_ins(host: Host, texts: Iterable[str]) -> Host:
    """Return the host with a backbone that fails for each unknown name that a broken plugin may declare."""
    known = {declaration.spec.name for declaration in host.declarations(Backbone)}
    named = [name for name in (parse_component(text).name for text in texts if not is_pattern(text)) if name not in known]
    broken = [plugin for plugin in host.plugins if plugin.problem and not plugin.declares]
    if not (named and broken) or len(set(named)) == len({parse_component(text).name for text in texts}):
        return host
    owners = "; ".join(f"plugin {plugin.name} could not be loaded: {plugin.problem}" for plugin in broken)
    stand_ins = [
        Backbone(
            name=name,
            factory=f"{__name__}:{undeclared.__name__}",
            weights=f"{__name__}:{undeclared.__name__}",
            fixed={"reason": f"no plugin declares backbone {name!r}; {owners}"},
        )
        for name in dict.fromkeys(named)
    ]
    return replace(host, plugins=(*host.plugins, Plugin(name="(could not be loaded)", declares=tuple(stand_ins))))


def undeclared(*, reason: str, **given: object) -> NoReturn:
    """Raise the reason why there is no such backbone, in place of its factory and of its weights."""
    del given
    raise PluginError(reason)


def _known_defaults(host: Host) -> list[str]:
    known = {declaration.spec.name for declaration in host.declarations(Backbone)}
    return [text for text in DEFAULT_BACKBONES if parse_component(text).name in known]


def _check_component(part: Part[Spec]) -> None:
    """Raise ConfigError for a wrong option; a factory that cannot be imported becomes a failed row later."""
    try:
        check_options(part)
    except ConfigError:
        raise
    except Exception:
        return


def _weights_are_here(backbone: Part[Backbone], input_shape: tuple[int, int, int], downloader: Downloader) -> bool:
    """Return whether nothing must be fetched; True if the plugin raises an error, which becomes a failed row later."""
    try:
        return weights_available(backbone, input_shape, downloader)
    except ConfigError:
        raise
    except Exception:
        return True
