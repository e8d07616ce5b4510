"""A kind of JSON record: its version today, and the small migrations that lead to it from each earlier version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)
Content = dict[str, Any]
Migration = Callable[[Content], Content]


class UnknownVersion(ValueError):
    """A record of a version that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema(Generic[M]):
    """How records of one kind are read.

    Attributes:
        what: the kind in messages, such as ``entry``.
        model: the record in its present version.
        version: the present version.
        migrations: by version, what turns the content of a record of that version into one of the next version.
    """

    what: str
    model: type[M]
    version: int
    migrations: Mapping[int, Migration] = field(default_factory=dict)

    def migrated(self, content: Content) -> Content:
        """Return the content of a record in the present version; raise UnknownVersion for any other one."""
        while (version := content.get("schema_version")) != self.version:
            if type(version) is not int or version not in self.migrations:
                raise UnknownVersion(_unknown(version, self.version))
            content = {**self.migrations[version](content), "schema_version": version + 1}
        return content


def renamed(content: Any, names: Mapping[str, str]) -> Any:
    """Return a JSON object with some keys renamed; anything else as it is, for its check to refuse."""
    if not isinstance(content, dict):
        return content
    return {names.get(key, key): value for key, value in content.items()}


def _unknown(version: Any, newest: int) -> str:
    if type(version) is int and version > newest:
        return f"schema_version {version} is newer than {newest}, which this cxrbench reads: update cxrbench"
    if version is None:
        return "schema_version is missing"
    return f"schema_version {version!r} is not known (this cxrbench writes {newest})"
