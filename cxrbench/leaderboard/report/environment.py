"""Templates: everything that they show is escaped, and what could deceive a reader is made visible."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from cxrbench.storage.safe_text import as_text

PARTS = re.compile(r"(?<=[:,+])(?=.)", re.DOTALL)
TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment() -> Environment:
    """Return the environment of the templates; compiling them takes longer than using them."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["breakable"] = breakable
    return made


def render(template: str, *, with_images: bool = False, **values: Any) -> str:
    """Return a template with its values, under a policy that allows its own style and script alone, and images inside it.

    Args:
        template: its file.
        with_images: whether it holds images, which have a style of their own.
        values: of the template.
    """
    style, script = _source("page.css") + (_source("images.css") if with_images else ""), _source("page.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
        f"{'; img-src data:' if with_images else ''}"
    )
    own = {"style": Markup(style), "script": Markup(script)}  # noqa: S704 - both are files of this package
    return environment().get_template(template).render(policy=policy, **own, **values)


def breakable(name: str) -> Markup:
    """Return a name that a line may end in after a colon, a comma or a plus."""
    return Markup("<wbr>").join(escape(as_text(part)) for part in PARTS.split(name))


def _visible(value: Any) -> Any:
    """Return text with control characters and marks that change its direction made visible."""
    return as_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _source(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _digest(source: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"
