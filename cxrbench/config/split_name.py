"""How images are divided, as a setting: `official`, `grouped`, `paper` or `left-out:by=COLUMN`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from cxrbench.config.component import Component, parse_component, written
from cxrbench.errors import ConfigError

LEFT_OUT = "left-out"
NAMED = ("official", "grouped", "paper")


def left_out_by(column: str) -> str:
    """Return the split that leaves out the groups of a column, in its one spelling; case does not matter."""
    return str(Component(name=LEFT_OUT, options=(("by", " ".join(column.split()).casefold()),)))


def column_of(split: str) -> str:
    """Return the column whose groups a split leaves out; empty for another split, and for `left-out` without a column."""
    if not split.startswith(f"{LEFT_OUT}:"):
        return ""
    return str(dict(parse_component(split).options)["by"])


def _split_name(text: str) -> str:
    if text in {*NAMED, LEFT_OUT}:  # the dataset's columns are named when they are known
        return text
    try:
        component = parse_component(text)
    except ConfigError:
        component = Component(name="")
    if component.name != LEFT_OUT or [name for name, _ in component.options] != ["by"]:
        raise ValueError("must be 'official', 'grouped', 'paper' or 'left-out:by=COLUMN'")
    value = component.options[0][1]
    column = value if isinstance(value, str) else written(value)
    return left_out_by(column) if column.strip() else LEFT_OUT


SplitName = Annotated[str, AfterValidator(_split_name)]
