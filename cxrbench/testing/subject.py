"""The subject of checks: one component of a plugin, built when the first check needs it and kept for the others."""

from __future__ import annotations

import importlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind, check_options
from cxrbench.errors import ConfigError, MissingRequirement, PluginError
from cxrbench.execution.keras_process import default_backend
from cxrbench.plugin.host import KINDS, Declaration, kind_name, load_host
from cxrbench.plugin.references import load_file, module_name_of
from cxrbench.testing.outcome import NotCheckable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from cxrbench.config.part import Part
    from cxrbench.plugin.host import Host, Plugin


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One component, or the callbacks of one plugin.

    Attributes:
        kind: its kind; ``observer`` for the callbacks of a plugin, ``plugin`` if the plugin could not be loaded.
        plugin: the plugin that declares it.
        part: the component with its declaration; None if the plugin could not be loaded, and of an observer.
        made: results and errors of earlier checks, by name.
    """

    kind: str
    plugin: Plugin
    part: Part[Any] = field(default=None)  # type: ignore[arg-type]  # the checks of components alone use it
    made: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.kind} {self.part.component if self.part else self.plugin.name}"

    def command(self, options: str) -> str:
        """Return the command that checks this component with more options."""
        component = self.part.component
        more = f"{component},{options}" if component.options else f"{component.name}:{options}"
        return f"cxrbench plugins check {more}{f' --plugin {self.plugin.name}' if self.plugin.file else ''}"

    @property
    def module(self) -> str:
        """The import name of the plugin's module."""
        if self.plugin.file:
            return module_name_of(self.plugin.file)
        from importlib.metadata import entry_points

        return next(iter(entry_points(group="cxrbench", name=self.plugin.name))).module

    @property
    def loaded(self) -> ModuleType:
        """The plugin's module."""
        return load_file(self.plugin.file) if self.plugin.file else importlib.import_module(self.module)

    def once(self, what: str, make: Callable[[], T]) -> T:
        """Call `make` the first time; return its result, or raise its error, every time."""
        if what not in self.made:
            try:
                self.made[what] = (make(), None)
            except (Exception, SystemExit) as error:  # sys.exit() in a plugin counts as its error
                self.made[what] = (None, error)
        result: T
        result, problem = self.made[what]
        if problem is not None:
            raise problem
        return result

    def once_or_skip(self, what: str, make: Callable[[], T]) -> T:
        """Call `make` as `once` does; raise NotCheckable if it fails, because the check `builds` reports that."""
        try:
            return self.once(what, make)
        except NotCheckable:
            raise
        except (Exception, SystemExit):
            raise NotCheckable("it cannot be built: see the check builds") from None


def find_subjects(what: str | Path, host: Host, kind: str = "") -> list[Subject]:
    """Return the components named by a component string, a plugin's name or a Python file.

    Args:
        what: the name or path; a file must be one that the host was loaded with.
        host: all plugins.
        kind: return this kind only.

    Raises:
        ConfigError: the name or an option is unknown.
        PluginError: two plugins declare the name.
    """
    if is_file(what):
        subjects = _subjects_of_plugin(_plugin_of_file(Path(what), host), kind)
    else:
        subjects = _subjects_named(str(what), host, kind) or _subjects_of_plugins_named(str(what), host, kind)
    if subjects:
        return subjects
    file, is_a_file, options = str(what).partition(".py:")
    if is_a_file and ":" not in file:
        raise ConfigError(f"{what}: options belong to a component: cxrbench plugins check NAME:{options} --plugin {file}.py")
    kinds = [of_kind for of_kind in KINDS if kind in {"", kind_name(of_kind)}]
    known = {declaration.spec.name for of_kind in kinds for declaration in host.declarations(of_kind)}
    raise host.unknown(kind or "component", str(what).partition(":")[0], known)


def subjects_of(what: str | Path, kind: str = "") -> list[Subject]:
    """Load all plugins (and the file, if `what` is one) and return the components as `find_subjects` does."""
    return find_subjects(what, load_host([Path(what)] if is_file(what) else ()), kind)


def is_file(what: str | Path) -> bool:
    """Return whether `what` is the path of a one-file plugin."""
    return isinstance(what, Path) or what.endswith(".py")


def error_line(error: BaseException) -> str:
    """Return an error's type and message in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _plugin_of_file(file: Path, host: Host) -> Plugin:
    path = file.expanduser().resolve()
    return next(plugin for plugin in host.plugins if plugin.file == path)


def _subjects_of_plugins_named(text: str, host: Host, kind: str) -> list[Subject]:
    plugins = [plugin for plugin in host.plugins if text in {plugin.name, plugin.distribution}]
    return [subject for plugin in plugins for subject in _subjects_of_plugin(plugin, kind)]


def _subjects_of_plugin(plugin: Plugin, kind: str) -> list[Subject]:
    if plugin.problem or plugin.blocked:
        return [Subject(kind="plugin", plugin=plugin)]
    declared = [Declaration(kind=kind_name(type(spec)), spec=spec, plugin=plugin) for spec in plugin.declares]
    subjects = [_subject(declaration.spec.name, declaration) for declaration in declared if kind in {"", declaration.kind}]
    if kind in {"", "observer"} and plugin.callbacks:
        subjects.append(Subject(kind="observer", plugin=plugin))
    if not subjects and not kind:
        raise ConfigError(f"plugin {plugin.name} declares nothing and has no callbacks: write @hookimpl above its hooks")
    return subjects


def _subjects_named(text: str, host: Host, kind: str) -> list[Subject]:
    name = parse_component(text).name
    declared: list[Declaration[Any]] = []
    for of_kind in KINDS:
        if kind in {"", kind_name(of_kind)}:
            with suppress(ConfigError):  # no component of this kind has the name
                declared.append(host.find(of_kind, name))
    return [_with_options(text, declaration) for declaration in declared]


def _with_options(text: str, declaration: Declaration[Any]) -> Subject:
    """Return the subject; raise UnknownName for an unknown option, which is the user's mistake and not the plugin's."""
    subject = _subject(text, declaration)
    if subject.part.component.options:
        with suppress(PluginError, MissingRequirement):  # the checks report these
            check_options(subject.part)
    return subject


def _subject(text: str, declaration: Declaration[Any]) -> Subject:
    with default_backend():  # the module of the factory may import Keras
        part = bind(parse_component(text), declaration)
    return Subject(kind=declaration.kind, plugin=declaration.plugin, part=part)
