"""Components as users write them (`name:key=value,...`), and bound to the declaration that they name."""

from __future__ import annotations

import inspect
import json
import os
import re
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from cxrbench.config.identity import canonical_text
from cxrbench.errors import ConfigError, missing_requirement, unknown_name
from cxrbench.plugin.host import Spec_co
from cxrbench.plugin.references import Reference, module_name_of
from cxrbench.storage.safe_text import is_unicode
from cxrbench.storage.versions import versions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cxrbench.plugin.host import Declaration
    from cxrbench.plugin.specs import Spec, Value

OPTION = re.compile(r"""\s*([A-Za-z_]\w*)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^,]*?)\s*(?:,|\Z)""", re.DOTALL)
PLAIN = re.compile(r"[\w./\\:~@%= -]*", re.ASCII)
PLACE = re.compile(r"[/~]|\\\\|[A-Za-z]:[\\/]")
LONGEST_COMPONENT = 1000
"""Characters of a component, which is part of names that people read."""
NAMED = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A name with options, sorted by name, so that equal components have one spelling."""

    name: str
    options: tuple[tuple[str, Value], ...] = ()

    def without(self, option: str) -> Component:
        """Return this component without one of its options."""
        return replace(self, options=tuple(one for one in self.options if one[0] != option))

    def __str__(self) -> str:
        if not self.options:
            return self.name
        return f"{self.name}:{','.join(f'{key}={_written(value)}' for key, value in self.options)}"


def parse_component(text: str) -> Component:
    """Read `name` or `name:key=value,key=value`; values are TOML's, a bare word is a string."""
    if len(text) > LONGEST_COMPONENT or not is_unicode(text):
        raise ConfigError(f"{text[:80]!r} ...: a component has at most {LONGEST_COMPONENT:,} characters")
    name, colon, rest = text.strip().partition(":")
    options: dict[str, Value] = {}
    position = 0
    while position < len(rest):
        match = OPTION.match(rest, position)
        if not match:
            comma = '. Put a value that contains a comma in double quotes: key="a,b"' if options else ""
            raise ConfigError(f"{text!r}: cannot read {rest[position:]!r}. Write options as name:key=value,key=value{comma}")
        if match[1] in options:
            raise ConfigError(f"{text!r}: duplicate option {match[1]!r}")
        options[match[1]] = _value(match[2])
        position = match.end()
    if not name or (colon and not options):
        raise ConfigError(f"{text!r} is not a component. Write name or name:key=value,key=value")
    return Component(name=name, options=tuple(sorted(options.items())))


def with_relative_paths(component: Component) -> Component:
    """Return a component whose paths are relative to the working folder, because entries that others read contain its text.

    Raises:
        ConfigError: an option looks like an absolute path that does not exist.
    """
    options = ((key, _relative_option(f"{component.name}: {key}", value)) for key, value in component.options)
    return replace(component, options=tuple(options))


def looks_absolute(value: Value) -> bool:
    """Return whether an option looks like an absolute path, or one below a home, on any operating system."""
    return isinstance(value, str) and bool(PLACE.match(value))


def _relative_option(option: str, value: Value) -> Value:
    if not isinstance(value, str) or not looks_absolute(value):
        return value
    path = Path(value).expanduser()
    if not path.exists():
        raise ConfigError(f"{option}={value}: no such file or folder")
    try:
        return Path(os.path.relpath(path)).as_posix()
    except ValueError:  # on another drive
        raise ConfigError(f"{option}={value}: the path must be on the drive of the working folder: copy it there") from None


def _value(text: str) -> Value:
    if "\n" in text:
        return text
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, bool | int | float | str) else text


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    if not isinstance(value, str) or (PLAIN.fullmatch(text) and text == text.strip() and _value(text) == text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)  # its escapes are also TOML's; unprintable characters are escaped as well
    return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in quoted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Generic[Spec_co]):
    """A component bound to its declaration: picklable, so that any process can build it.

    Attributes:
        identity: everything its behaviour depends on: name, options, declaration, plugin version and source of its package.
    """

    component: Component
    identity: str
    spec: Spec_co = field(compare=False)
    file: Path | None = field(default=None, compare=False)

    def option(self, name: str, default: Value) -> Value:
        """Return the value of an option, or the default."""
        return dict(self.component.options).get(name, default)

    @property
    def arguments(self) -> dict[str, Value]:
        """The arguments that the declaration fixes and the user sets, without the options that only the harness uses."""
        chosen = {name: value for name, value in self.component.options if name not in self.spec.KEPT}
        return {**self.spec.fixed, **chosen}

    def at(self, setting: Mapping[str, Value]) -> Part[Spec_co]:
        """Return this part with more options set."""
        options = {**dict(self.component.options), **setting}
        component = Component(name=self.component.name, options=tuple(sorted(options.items())))
        identity = f"{component}{self.identity.removeprefix(str(self.component))}"
        return replace(self, component=component, identity=identity)

    def build(self, *positional: Any, **given: Any) -> Any:
        """Call the factory with its own arguments and those of the harness."""
        return self.factory()(*positional, **{**self.arguments, **given})

    def factory(self) -> Callable[..., Any]:
        """Import the factory; raise MissingRequirement if a package it needs is not installed."""
        names = {requirement: re.split(r"[<>=!~\[ ;]", requirement, maxsplit=1)[0] for requirement in self.spec.requires}
        if missing := [requirement for requirement, name in names.items() if not versions_of(name)]:
            raise missing_requirement(str(self.component), missing)
        factory: Callable[..., Any] = self.resolve(self.spec.factory)
        return factory

    def resolve(self, text: str) -> Any:
        """Import what an import string of the declaration names."""
        return Reference(text=text, file=self.file).resolve()


def bind(component: Component, declaration: Declaration[Spec_co]) -> Part[Spec_co]:
    """Bind a component to its declaration."""
    plugin, spec = declaration.plugin, declaration.spec
    pointed = [Reference(text=str(value)) for name, value in component.options if name in spec.points_to]
    source = "".join(one.source_digest() for one in (Reference(text=spec.factory, file=plugin.file), *pointed))
    declared = canonical_text(replace(spec, summary=""))
    if plugin.file:  # the module name depends on the path, which does not change the behaviour
        declared = declared.replace(module_name_of(plugin.file), plugin.file.stem)
    return Part(
        component=component,
        identity="|".join((str(component), declared, plugin.version, source)),
        spec=spec,
        file=plugin.file,
    )


def check_options(part: Part[Spec]) -> None:
    """Check the options against the signature of the factory.

    Raises:
        UnknownName: neither the factory nor the harness has the option.
        ConfigError: a value has the wrong type.
    """
    factory, kept = part.factory(), part.spec.KEPT
    parameters = inspect.signature(factory).parameters
    hidden = part.spec.FILLED | set(part.spec.fixed)
    known = {name: parameter for name, parameter in parameters.items() if parameter.kind in NAMED and name not in hidden}
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    for name, value in part.component.options:
        if name in known:
            _check_type(part, name, value, known[name], factory)
        elif name not in kept and not (takes_any and name not in hidden):
            raise unknown_name(f"option of {part.component.name}", name, known.keys() | kept)


def _check_type(part: Part[Spec], name: str, value: Value, parameter: inspect.Parameter, factory: Callable[..., Any]) -> None:
    if parameter.annotation is inspect.Parameter.empty:
        return
    alone = ModuleType(name)  # other annotations of the factory may name what is imported for type checkers only
    alone.__annotations__ = {name: parameter.annotation}
    try:
        annotation = inspect.get_annotations(alone, globals=getattr(factory, "__globals__", {}), eval_str=True)[name]
    except NameError:  # this one does
        return
    try:
        TypeAdapter(annotation).validate_python(value, strict=True)
    except PydanticUserError:  # a type that pydantic does not know, so nothing can be checked
        return
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Input ")
        quotes = f'. To give it as text, write {name}="{_written(value)}"' if _takes_text(annotation, value) else ""
        raise ConfigError(f"{part.component}: option {name}={_written(value)} {reason}{quotes}") from None


def _takes_text(annotation: Any, value: Value) -> bool:
    """Return whether an option would take as text what was read as a number or as true or false."""
    try:
        TypeAdapter(annotation).validate_python(_written(value), strict=True)
    except ValidationError:
        return False
    return not isinstance(value, str)
