"""What is held against the rules: one component of a plugin, built when the first check needs it and kept for the others."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxrbench.config.component import bind, check_options, parse_component
from cxrbench.errors import ConfigError, MissingRequirement, PluginError
from cxrbench.plugin.host import KINDS, Declaration, kind_name, load_host
from cxrbench.plugin.references import module_name_of
from cxrbench.testing.check import NotCheckable

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxrbench.config.component import Part
    from cxrbench.plugin.host import Host, Plugin


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One component.

    Attributes:
        kind: ``plugin`` for one that could not be loaded.
        part: None for a plugin that could not be loaded.
        made: what earlier checks have made, or how that failed.
    """

    kind: str
    plugin: Plugin
    part: Part[Any] = field(default=None)  # type: ignore[arg-type]  # no check but `loads` is run without one
    made: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.kind} {self.part.component if self.part else self.plugin.name}"

    @property
    def module(self) -> str:
        """The module that the plugin is, as Python imports it."""
        if self.plugin.file:
            return module_name_of(self.plugin.file)
        from importlib.metadata import entry_points

        return next(iter(entry_points(group="cxrbench", name=self.plugin.name))).module

    def once(self, what: str, make: Callable[[], Any]) -> Any:
        """Make something at the first call; return it, or raise what it raised, at every call."""
        if what not in self.made:
            try:
                self.made[what] = (make(), None)
            except (Exception, SystemExit) as error:  # a plugin that ends the process ends its own call
                self.made[what] = (None, error)
        found, problem = self.made[what]
        if problem is not None:
            raise problem
        return found

    def build(self, what: str, make: Callable[[], Any]) -> Any:
        """Make something as `once` does; raise NotCheckable where it cannot be made, which the check `builds` is about."""
        try:
            return self.once(what, make)
        except NotCheckable:
            raise
        except (Exception, SystemExit):
            raise NotCheckable("cannot be built: see the check builds") from None


def find_subjects(what: str | Path, host: Host, kind: str = "") -> list[Subject]:
    """Return the components that a name, a component string, a plugin's name or a Python file means.

    Args:
        what: the file must be among those that the host was loaded with.
        host: all plugins.
        kind: leaves out the other kinds.

    Raises:
        ConfigError: there is no such name, or it has no such option.
        PluginError: two plugins claim the name.
    """
    if is_file(what):
        found = _of_plugin(_loaded_from(Path(what), host), kind)
    else:
        found = _named(str(what), host, kind) or _of_plugins_called(str(what), host, kind)
    if found:
        return found
    kinds = [of_kind for of_kind in KINDS if kind in {"", kind_name(of_kind)}]
    known = {declaration.spec.name for of_kind in kinds for declaration in host.declarations(of_kind)}
    raise host.unknown(kind or "component", str(what), known)


def subjects_of(what: str | Path, kind: str = "") -> list[Subject]:
    """Load the plugins, and the file if one is meant; return the components as `find_subjects` does."""
    return find_subjects(what, load_host([Path(what)] if is_file(what) else ()), kind)


def is_file(what: str | Path) -> bool:
    """Return whether a one-file plugin is meant."""
    return isinstance(what, Path) or what.endswith(".py")


def one_line(error: BaseException) -> str:
    """Return an error as a line for a person."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _loaded_from(file: Path, host: Host) -> Plugin:
    path = file.expanduser().resolve()
    return next(plugin for plugin in host.plugins if plugin.file == path)


def _of_plugins_called(text: str, host: Host, kind: str) -> list[Subject]:
    called = [plugin for plugin in host.plugins if text in {plugin.name, plugin.distribution}]
    return [subject for plugin in called for subject in _of_plugin(plugin, kind)]


def _of_plugin(plugin: Plugin, kind: str) -> list[Subject]:
    if plugin.problem or plugin.blocked:
        return [Subject(kind="plugin", plugin=plugin)]
    declared = [Declaration(kind=kind_name(type(spec)), spec=spec, plugin=plugin) for spec in plugin.declares]
    return [_subject(found.spec.name, found) for found in declared if kind in {"", found.kind}]


def _named(text: str, host: Host, kind: str) -> list[Subject]:
    name = parse_component(text).name
    declared: list[Declaration[Any]] = []
    for of_kind in KINDS:
        if kind in {"", kind_name(of_kind)}:
            with suppress(ConfigError):  # not of this kind
                declared.append(host.find(of_kind, name))
    return [_with_options(text, declaration) for declaration in declared]


def _with_options(text: str, declaration: Declaration[Any]) -> Subject:
    """Refuse options that there are not: those are the user's mistake, not the plugin's."""
    subject = _subject(text, declaration)
    if subject.part.component.options:
        with suppress(PluginError, MissingRequirement):  # which the checks will say
            check_options(subject.part)
    return subject


def _subject(text: str, declaration: Declaration[Any]) -> Subject:
    part = bind(parse_component(text), declaration)
    return Subject(kind=declaration.kind, plugin=declaration.plugin, part=part)
