"""Find plugins, load each one in isolation, and look up their declarations."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pluggy import PluginManager

from cxrbench.errors import ConfigError, PluginError, unknown_name
from cxrbench.plugin import hooks, specs
from cxrbench.plugin.api import check_api
from cxrbench.plugin.references import load_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.metadata import EntryPoint
    from pathlib import Path
    from types import ModuleType

KINDS: tuple[type[specs.Spec], ...] = (
    specs.Dataset,
    specs.Backbone,
    specs.Augmentation,
    specs.Imbalance,
    specs.Engine,
    specs.Shift,
)
Spec_co = TypeVar("Spec_co", bound=specs.Spec, covariant=True)
ENTRY_POINT_GROUP = hooks.PROJECT
RESERVED_NAMES = frozenset({"all"})
"""Names that a component must not have, because they have a meaning on the command line."""
KEBAB_CASE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def kind_name(kind: type[specs.Spec]) -> str:
    """Return the name of a kind of declaration: dataset, backbone, augmentation, imbalance, engine or shift."""
    return kind.__name__.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A plugin that was found: loaded, blocked or broken.

    Attributes:
        name: the entry point's name, or the path of a one-file plugin.
        distribution: the distribution that contains it, or an empty string for a one-file plugin.
        problem: the reason why some or all of its declarations cannot be used, or an empty string.
        notes: deprecations of hooks and arguments that it uses.
        hooks: names of the hooks that it implements.
    """

    name: str
    distribution: str = ""
    version: str = ""
    file: Path | None = None
    blocked: bool = False
    problem: str = ""
    notes: tuple[str, ...] = ()
    declares: tuple[specs.Spec, ...] = ()
    hooks: tuple[str, ...] = ()

    @property
    def callbacks(self) -> tuple[str, ...]:
        """The hooks that make it an observer."""
        return tuple(hook for hook in self.hooks if hook.startswith("on_"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration(Generic[Spec_co]):
    """A spec and the plugin that declares it."""

    kind: str
    spec: Spec_co
    plugin: Plugin


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """All plugins that were found. It looks up their declarations and calls their callbacks."""

    plugins: tuple[Plugin, ...]
    manager: PluginManager = field(repr=False)
    reported: set[tuple[str, str]] = field(default_factory=set, repr=False, compare=False)

    def declarations(self, kind: type[Spec_co]) -> list[Declaration[Spec_co]]:
        """Return all declarations of a kind, sorted by name."""
        declarations = [
            Declaration(kind=kind_name(kind), spec=spec, plugin=plugin)
            for plugin in self.plugins
            for spec in plugin.declares
            if isinstance(spec, kind)
        ]
        return sorted(declarations, key=lambda declaration: declaration.spec.name)

    def find(self, kind: type[Spec_co], name: str) -> Declaration[Spec_co]:
        """Return the declaration with this name.

        Raises:
            ConfigError: no plugin declares the name; an UnknownName unless a broken plugin may have declared it.
            PluginError: two plugins declare the name.
        """
        declarations = self.declarations(kind)
        matches = [declaration for declaration in declarations if declaration.spec.name == name]
        if len(matches) > 1:
            owners = " and ".join(declaration.plugin.name for declaration in matches)
            raise PluginError(f"{kind_name(kind)} {name!r} is declared by {owners}: block one with --without NAME")
        if matches:
            return matches[0]
        raise self.unknown(kind_name(kind), name, {declaration.spec.name for declaration in declarations})

    def unknown(self, what: str, name: str, known: Iterable[str]) -> ConfigError:
        """Return the error for an unknown name. It suggests similar names and lists plugins that could not be loaded."""
        error = unknown_name(what, name, known)
        broken = [f"plugin {plugin.name} could not be loaded: {plugin.problem}" for plugin in self.plugins if plugin.problem]
        return ConfigError("; ".join([str(error), *broken])) if broken else error

    def notify(self, event: str, report: Callable[[str], None], /, **arguments: Any) -> None:
        """Call every callback of `event`. The first exception of a callback goes to `report` as one line."""
        for implementation in getattr(self.manager.hook, event).get_hookimpls():
            try:
                implementation.function(**{name: arguments[name] for name in implementation.argnames})
            except (Exception, SystemExit) as error:
                source = (implementation.plugin_name, event)
                if source not in self.reported:
                    self.reported.add(source)
                    report(f"plugin {source[0]} failed in {event}: {type(error).__name__}: {error}")


def load_host(files: Sequence[Path] = (), without: Iterable[str] = ()) -> Host:
    """Load the entry points of the group `cxrbench`, then one-file plugins. Names in `without` are blocked before import."""
    manager = PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    blocked = frozenset(without)
    plugins: list[Plugin] = []
    for entry_point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: (point.name, point.value)):
        plugins.append(_load_entry_point(manager, entry_point, blocked, plugins))
    for file in {path.expanduser().resolve(): path for path in files}.values():
        plugins.append(_load_one_file(manager, file, blocked))
    return Host(plugins=tuple(_mark_duplicates(plugins)), manager=manager)


def _load_entry_point(
    manager: PluginManager, entry_point: EntryPoint, blocked: frozenset[str], earlier: Sequence[Plugin]
) -> Plugin:
    distribution = entry_point.dist
    plugin = Plugin(
        name=entry_point.name,
        distribution=distribution.name if distribution else "",
        version=distribution.version if distribution else "",
    )
    if entry_point.name in blocked:
        return replace(plugin, blocked=True)
    twin = next((other for other in earlier if other.name == entry_point.name), None)
    if twin:
        owners = f"{twin.distribution} and {plugin.distribution}"
        return replace(plugin, problem=f"two distributions have a plugin of this name: {owners}; uninstall one")
    return _register(manager, plugin, entry_point.load)


def _load_one_file(manager: PluginManager, file: Path, blocked: frozenset[str]) -> Plugin:
    path = file.expanduser().resolve()
    if not path.is_file():
        raise ConfigError(f"--plugin {file}: file not found")
    plugin = Plugin(name=str(file), file=path)
    if plugin.name in blocked or path.stem in blocked:
        return replace(plugin, blocked=True)
    return _register(manager, plugin, lambda: load_file(path))


def _register(manager: PluginManager, plugin: Plugin, load: Callable[[], ModuleType]) -> Plugin:
    """Import and register a plugin and collect its declarations. An error is stored in its `problem`."""
    module = None
    try:
        module = load()
        check_api(module, plugin.distribution)
        notes = _register_module(manager, plugin, module)
        names = sorted(caller.name for caller in manager.get_hookcallers(module) or ())
        return replace(plugin, hooks=tuple(names), declares=_declarations(manager, plugin.name), notes=notes)
    except (Exception, SystemExit) as error:
        if module is not None and manager.get_name(module) == plugin.name:
            manager.unregister(module)
        return replace(plugin, problem=f"{type(error).__name__}: {error}".splitlines()[0])


def _register_module(manager: PluginManager, plugin: Plugin, module: ModuleType) -> tuple[str, ...]:
    """Register a module and return pluggy's warnings about deprecated hooks and arguments."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        manager.register(module, name=plugin.name)
    manager.check_pending()
    return tuple(dict.fromkeys(str(warning.message) for warning in caught))


def _declarations(manager: PluginManager, plugin_name: str) -> tuple[specs.Spec, ...]:
    declared: list[specs.Spec] = []
    for kind in KINDS:
        for implementation in getattr(manager.hook, f"register_{kind_name(kind)}s").get_hookimpls():
            if implementation.plugin_name == plugin_name:
                declared += [_checked_spec(spec, kind) for spec in implementation.function()]
    return tuple(declared)


def _checked_spec(spec: Any, kind: type[specs.Spec]) -> specs.Spec:
    if type(spec) is not kind:
        raise PluginError(f"register_{kind_name(kind)}s returned {spec!r}, which is not a valid {kind.__name__}")
    if not isinstance(spec.name, str) or not KEBAB_CASE.fullmatch(spec.name):
        raise PluginError(f"{kind_name(kind)} name {spec.name!r} is not kebab-case (a-z, 0-9 and single hyphens)")
    if not isinstance(spec.factory, str) or ":" not in spec.factory:
        raise PluginError(f"{spec.name}: factory must be an import string 'module:attribute', but is {spec.factory!r}")
    return spec


def _mark_duplicates(plugins: Sequence[Plugin]) -> list[Plugin]:
    owners: dict[tuple[str, str], list[str]] = {}
    for plugin in plugins:
        for spec in plugin.declares:
            owners.setdefault((kind_name(type(spec)), spec.name), []).append(plugin.name)
    duplicates = {declared: names for declared, names in owners.items() if len(names) > 1}
    return [_with_duplicates(plugin, duplicates) for plugin in plugins]


def _with_duplicates(plugin: Plugin, duplicates: dict[tuple[str, str], list[str]]) -> Plugin:
    problems = [
        f"{kind} {name!r} is declared by {' and '.join(owners)}"
        for (kind, name), owners in duplicates.items()
        if plugin.name in owners
    ]
    return replace(plugin, problem="; ".join(problems)) if problems else plugin
