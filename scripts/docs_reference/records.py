"""Every JSON record with its fields, from the classes that check them. A field without a meaning is an error."""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from cxrbench.config.option import Option
from cxrbench.config.protocol import Protocol
from cxrbench.leaderboard.store.entry import Entry
from cxrbench.leaderboard.store.external_result import ExternalResult
from cxrbench.leaderboard.store.image_record import ImageRecord
from cxrbench.leaderboard.store.model_record import ModelRecord
from cxrbench.leaderboard.store.shift_result import ShiftResult
from cxrbench.leaderboard.store.test_lock import LockRecord
from docs_reference.markdown import cell, code, docstring, page, sentence, table
from docs_reference.meanings import MEANINGS, OF_CLASS

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDS: dict[type[BaseModel], str] = {
    Entry: "`PROTOCOL/entries/RECIPE.json`, and `cxrbench show ROW --json`",
    Protocol: "`PROTOCOL/protocol.json`, and `protocol` in other records",
    ShiftResult: "`PROTOCOL/shifts/RECIPE.json`",
    ExternalResult: "`PROTOCOL/external/NAME/RECIPE.json`",
    LockRecord: "`PROTOCOL/test_lock/RECIPE.json`",
    ModelRecord: "`model.json` in the folder of an exported model",
    ImageRecord: "`images.json` in that folder, and `PROTOCOL/models/images.json`",
}
WORDS = {int: "integer", float: "number", bool: "boolean", NoneType: "null"}
INTRODUCTION = """\
Each record is one JSON file with a `schema_version`. A later version of cxrbench reads all earlier ones. Unknown fields are
refused. [Files](files.md) shows where the records are.

A field whose default is empty may be absent. In a type, `[X]` is a list, and `{X: Y}` is an object whose keys are X. A name
that is a link is another record on this page.
"""


def records_page() -> str:
    """Return the page of all records."""
    parts = [_section(model, where) for model, where in RECORDS.items()]
    inner = [model for model in _all_models() if model not in RECORDS]
    parts += ["## Parts of records", *(_section(model, "", level=3) for model in inner)]
    return page("JSON records", "the classes that check them", INTRODUCTION, *parts)


def _all_models() -> Iterator[type[BaseModel]]:
    seen: list[type[BaseModel]] = []
    pending = list(RECORDS)
    while pending:
        model = pending.pop(0)
        if model not in seen:
            seen.append(model)
            pending += [inner for field in model.model_fields.values() for inner in _models_in(field.annotation)]
    yield from seen


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)


def _section(model: type[BaseModel], where: str, level: int = 2) -> str:
    text, explained = docstring(model)
    rows = ((code(name), _type(field.annotation), cell(_meaning(model, name, explained))) for name, field in _fields(model))
    lines = [f"{'#' * level} {model.__name__}", cell(text.split("\n\n")[0])]
    lines += [f"File: {where}."] if where else []
    return "\n\n".join([*lines, table(("field", "type", "is"), rows)])


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    yield from sorted(model.model_fields.items(), key=lambda item: item[0] != "schema_version")


def _meaning(model: type[BaseModel], name: str, explained: dict[str, str]) -> str:
    options = [one for one in model.model_fields[name].metadata if isinstance(one, Option)]
    found = OF_CLASS.get(f"{model.__name__}.{name}") or explained.get(name)
    found = found or (options[0].help if options else MEANINGS.get(name, ""))
    assert found, f"{model.__name__}.{name} has no meaning: add it to the docstring, or to scripts/docs_reference/meanings.py"
    default = model.model_fields[name].default
    is_shown = default is not PydanticUndefined and isinstance(default, str | int | float) and default not in {"", False}
    return f"{sentence(found)} [default: {default}]" if is_shown and name != "schema_version" else sentence(found)


def _type(annotation: Any) -> str:
    """Return a type in JSON's words; the name of another record is a link."""
    if hasattr(annotation, "__metadata__"):
        return _type(annotation.__origin__)
    arguments = [one for one in get_args(annotation) if one is not Ellipsis]
    origin = get_origin(annotation)
    if origin is Literal:
        return " or ".join(map(code, arguments))
    inner = list(dict.fromkeys(map(_type, arguments)))
    if origin is dict:
        return f"{{{_type(arguments[0])}: {_type(arguments[1])}}}"
    if origin is tuple:
        return f"[{', '.join(inner)}]"
    return " or ".join(inner) if inner else _plain_type(annotation)


def _plain_type(kind: type) -> str:
    if issubclass(kind, BaseModel):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    return WORDS.get(kind, "text")
