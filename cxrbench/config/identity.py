"""The canonical form that identities are hashed from: a new or renamed field changes no identity.

A canonical form is fixed once. It spells out every field that existed then, under the name of that time, whatever its value.
A field that is added later is part of the form only where it differs from its default.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from cxrbench.plugin import specs

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic import BaseModel

_SPEC = ("name", "factory", "summary", "requires", "fixed", "points_to")
DECLARATIONS: Mapping[type, tuple[str, ...]] = {
    specs.Float: ("low", "high", "log", "step", "when"),
    specs.Int: ("low", "high", "log", "step", "when"),
    specs.Choice: ("options", "when"),
    specs.Dataset: (*_SPEC, "claims", "download", "layout", "notice"),
    specs.Backbone: (*_SPEC, "weights", "control", "space"),
    specs.Augmentation: (*_SPEC, "views"),
    specs.Imbalance: (*_SPEC, "needs_features", "space"),
    specs.Engine: _SPEC,
    specs.Shift: (*_SPEC, "unit", "strengths", "role", "covered_by"),
}
"""Form 1 of declarations: the fields that are always spelled out, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalForm:
    """How a record of settings is hashed.

    Attributes:
        version: of the form, under the key ``schema_version``; it does not follow the version of the files.
        spelled_out: the fields that are always part of the form, each with its name in the form.
    """

    version: int
    spelled_out: Mapping[str, str]

    def of(self, record: BaseModel, leave_out: Collection[str] = ()) -> dict[str, Any]:
        """Return a record in canonical form, without the fields `leave_out`."""
        values = record.model_dump(exclude={"schema_version", *leave_out})
        always = {name: values[field] for field, name in self.spelled_out.items() if field in values}
        added = {field: value for field, value in values.items() if field not in self.spelled_out and _is_set(record, field)}
        return {"schema_version": self.version, **always, **added}


def _is_set(record: BaseModel, name: str) -> bool:
    field = type(record).model_fields[name]
    return bool(field.is_required() or getattr(record, name) != field.get_default(call_default_factory=True))


def canonical_text(value: Any) -> str:
    """Return a declaration, or what it holds, in canonical form: as `repr` spelled it when the form was fixed."""
    if is_dataclass(value) and type(value) in DECLARATIONS:
        parts = ", ".join(f"{name}={canonical_text(getattr(value, name))}" for name in _names(value))
        return f"{type(value).__qualname__}({parts})"
    if type(value) is dict:
        return f"{{{', '.join(f'{key!r}: {canonical_text(item)}' for key, item in value.items())}}}"
    if type(value) is tuple:
        items = [canonical_text(item) for item in value]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    return repr(value)


def _names(declaration: Any) -> list[str]:
    always = DECLARATIONS[type(declaration)]
    defaults = {
        field.name: field.default if field.default_factory is MISSING else field.default_factory()
        for field in fields(declaration)
        if field.name not in always
    }
    return [*always, *(name for name, default in defaults.items() if getattr(declaration, name) != default)]
