"""Types of the texts in JSON records: invalid names are refused, and free text is made safe to show."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from cxrbench.config.component import LONGEST_COMPONENT, looks_absolute, parse_component
from cxrbench.errors import ConfigError
from cxrbench.storage.safe_text import as_line, as_text

LONGEST_NAME = 500
COMPONENT_NAME = re.compile(r"[A-Za-z0-9]+([-_.][A-Za-z0-9]+)*")
RELATIVE = re.compile(r"[A-Za-z0-9.+=_-]+(/[A-Za-z0-9.+=_-]+)*")


def _printable(text: str) -> str:
    """Refuse a name with control or invisible characters, or with several lines."""
    if as_text(text) != text or "\n" in text:
        raise ValueError(f"{as_line(text)!r} contains characters that cannot be printed")
    return text


def _component(text: str) -> str:
    """Refuse text that is not a component in its canonical spelling; an empty text means no component."""
    if not text:
        return text
    try:
        component = parse_component(text)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    if places := [str(value) for _, value in component.options if looks_absolute(value)]:
        raise ValueError(f"{as_line(places[0])!r} is an absolute path")
    if str(component) != text or not COMPONENT_NAME.fullmatch(component.name):
        raise ValueError(f"{as_line(text)!r} is not a component: expected name or name:key=value,key=value")
    return text


def _relative_path(text: str) -> str:
    """Refuse an absolute path, a path with `..`, and characters that file names of recipes never have."""
    if text and (not RELATIVE.fullmatch(text) or ".." in text.split("/")):
        raise ValueError(f"{as_line(text)!r} is not a relative path inside the protocol's folder")
    return text


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _as_safe_line(value: Any) -> Any:
    return as_line(value) if isinstance(value, str) else value


Count = Annotated[int, Field(ge=0, le=10**12)]
Name = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(_printable)]
"""A name of one line."""
ComponentText = Annotated[str, Field(max_length=LONGEST_COMPONENT), AfterValidator(_component)]
"""A component in its canonical spelling, or empty."""
RecipeName = Annotated[str, Field(max_length=3 * LONGEST_COMPONENT + 2), AfterValidator(_printable)]
"""Three components, joined by plus signs."""
RelativePath = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(_relative_path)]
"""A path below a protocol's folder, or empty."""
Hash = Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{0,128}$")]
"""A hexadecimal digest, or empty."""
Line = Annotated[str, BeforeValidator(_as_safe_line)]
"""Free text of one line; control characters are escaped."""
Lines = Annotated[tuple[Line, ...], BeforeValidator(_as_tuple)]
"""Several of them, in a record whose lists no longer count as JSON."""
