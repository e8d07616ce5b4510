"""Components as users write them: `name:key=value,...`."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cxrbench.errors import ConfigError
from cxrbench.storage.safe_text import is_unicode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cxrbench.plugin.specs import Value

OPTION = re.compile(r"""\s*([A-Za-z_]\w*)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^,]*?)\s*(?:,|\Z)""", re.DOTALL)
PLAIN = re.compile(r"[\w./\\:~@%= -]*", re.ASCII)
PLACE = re.compile(r"[/~]|\\\\|[A-Za-z]:[\\/]")
LONGEST_COMPONENT = 1000
"""Characters of a component, which is part of names that people read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A name with options, sorted by name, so that equal components have one spelling."""

    name: str
    options: tuple[tuple[str, Value], ...] = ()

    def without(self, option: str) -> Component:
        """Return this component without one of its options."""
        return replace(self, options=tuple(one for one in self.options if one[0] != option))

    def with_options(self, options: Mapping[str, Value]) -> Component:
        """Return this component with some options set, the others as they are."""
        return replace(self, options=tuple(sorted({**dict(self.options), **options}.items())))

    def __str__(self) -> str:
        if not self.options:
            return self.name
        return f"{self.name}:{','.join(f'{key}={written(value)}' for key, value in self.options)}"


def parse_component(text: str) -> Component:
    """Read `name` or `name:key=value,key=value`; values are TOML's, a bare word is a string."""
    if not is_unicode(text):
        raise ConfigError(f"{text[:80]!r}: a component is Unicode text, without bytes of other encodings")
    require_length(text)
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


def require_length(text: str) -> None:
    """Raise ConfigError for a component of more than `LONGEST_COMPONENT` characters."""
    if len(text) > LONGEST_COMPONENT:
        raise ConfigError(f"{text[:80]!r} ...: a component has at most {LONGEST_COMPONENT:,} characters")


def looks_absolute(value: Value) -> bool:
    """Return whether an option looks like an absolute path, or one below a home, on any operating system."""
    return isinstance(value, str) and bool(PLACE.match(value))


def written(value: Value) -> str:
    """Return a value as `parse_component` reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    if not isinstance(value, str) or (PLAIN.fullmatch(text) and text == text.strip() and _value(text) == text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)  # its escapes are also TOML's; unprintable characters are escaped as well
    return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in quoted)


def _value(text: str) -> Value:
    if "\n" in text:
        return text
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, bool | int | float | str) else text
