"""How a setting is shown as an option of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from types import GenericAlias, NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ByteSize, SecretStr

if TYPE_CHECKING:
    from pydantic import BaseModel

Panel = Literal["Data", "Recipes", "Search", "Training", "Fine-tuning", "Evaluation", "Compute", "Output"]
PANELS: tuple[Panel, ...] = get_args(Panel)
"""The groups of options in the help text, in this order."""


@dataclass(frozen=True, slots=True)
class Option:
    """How a setting is shown as an option of the command line.

    Attributes:
        panel: the group of options that it belongs to.
        help: what it is, in one line without the default.
        metavar: what the value is; empty for the name of its type.
        default: what happens without the setting, where its default does not say so.
    """

    panel: Panel
    help: str
    metavar: str = ""
    default: str = ""


def options_of(settings: type[BaseModel]) -> dict[str, Option]:
    """Return the option of every setting that has one, by its name, in the order of the help text."""
    found = {
        name: option for name, field in settings.model_fields.items() for option in field.metadata if isinstance(option, Option)
    }
    own = settings.__annotations__
    return dict(sorted(found.items(), key=lambda item: (PANELS.index(item[1].panel), item[0] not in own)))


def value_type(annotation: Any) -> Any:
    """Return the type of the values that a user writes for a setting, without its checks: ``str`` for a secret or a size."""
    arguments = [argument for argument in get_args(annotation) if argument is not NoneType]
    if get_origin(annotation) in {Annotated, Union, UnionType}:
        return value_type(arguments[0])
    if get_origin(annotation) is tuple:
        return GenericAlias(tuple, (value_type(arguments[0]), ...))
    return str if annotation in {SecretStr, ByteSize} else annotation
