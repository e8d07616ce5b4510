"""The texts that records which others may have written can hold: what is wrong with a name is refused, prose is made safe."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from cxrbench.config.component import looks_absolute, parse_component
from cxrbench.errors import ConfigError
from cxrbench.storage.safe_text import as_line, as_text

LONGEST_NAME = 500
COMPONENT_NAME = re.compile(r"[A-Za-z0-9]+([-_.][A-Za-z0-9]+)*")
RELATIVE = re.compile(r"[A-Za-z0-9.+=_-]+(/[A-Za-z0-9.+=_-]+)*")


def _printable(text: str) -> str:
    """Refuse a name with signs that a terminal obeys or hides, or with more than one line."""
    if as_text(text) != text or "\n" in text:
        raise ValueError(f"{as_line(text)!r} holds signs that cannot be printed")
    return text


def _component(text: str) -> str:
    """Refuse what is no component in its one spelling; nothing where there is none."""
    if not text:
        return text
    try:
        component = parse_component(text)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    if places := [str(value) for _, value in component.options if looks_absolute(value)]:
        raise ValueError(f"{as_line(places[0])!r} is a place on somebody's machine")
    if str(component) != text or not COMPONENT_NAME.fullmatch(component.name):
        raise ValueError(f"{as_line(text)!r} is no component: name or name:key=value,key=value")
    return text


def _relative(text: str) -> str:
    """Refuse a path that starts at a root, a drive or a home, leads upwards, or has signs that recipes' files never have."""
    if text and (not RELATIVE.fullmatch(text) or ".." in text.split("/")):
        raise ValueError(f"{as_line(text)!r} is no relative path inside the protocol's folder")
    return text


def _safe(value: Any) -> Any:
    return as_line(value) if isinstance(value, str) else value


Count = Annotated[int, Field(ge=0, le=10**12)]
Name = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(_printable)]
"""A name of one line."""
ComponentText = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(_component)]
"""A component as `str` of one writes it; empty where there is none."""
RelativePath = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(_relative)]
"""A path below a protocol's folder; empty where there is none."""
Hash = Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{0,128}$")]
"""A digest in hexadecimal; empty where there is none."""
Line = Annotated[str, BeforeValidator(_safe)]
"""Prose of one line; what a terminal would obey is spelled out."""
