"""The door for files that others may have written: bounded, regular, where they belong, and strictly of their schema."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from cxrbench.errors import CxrbenchError
from cxrbench.storage.safe_text import as_line
from cxrbench.storage.schema import M, UnknownVersion

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cxrbench.storage.schema import Schema


LARGEST_JSON = 32 * 2**20
"""Bytes: 20 folds of 100 seeds make 2 MB."""
LONGEST_REASON = 300


def read_record(path: Path, schema: Schema[M], *, within: Path) -> M:
    """Read a JSON file as a record.

    Args:
        path: the file.
        schema: what it should be; an earlier version is migrated, and nothing else is converted to fit.
        within: the folder that it must lie in, links followed.

    Raises:
        CxrbenchError: naming the file and what is wrong with it.
    """
    content = read_bounded(path, LARGEST_JSON, within=within)
    try:
        found = _strict_json(content)
        if isinstance(found, dict) and found.get("schema_version") != schema.version:
            content = json.dumps(schema.migrated(found)).encode()
        return schema.model.model_validate_json(content, strict=True)
    except ValidationError as error:
        reason = first_problem(error)
    except RecursionError:
        reason = "it is nested too deeply"
    except UnknownVersion as error:
        reason = str(error)
    except ValueError as error:
        reason = f"it is not valid JSON: {error}"
    raise CxrbenchError(f"{path} is not a valid {schema.what}: {as_line(reason)[:LONGEST_REASON]}")


def read_bounded(path: Path, largest: int, *, within: Path) -> bytes:
    """Return the bytes of a file; raise CxrbenchError if it is too large, no regular file, or outside of `within`."""
    require_regular(path, largest, within=within)
    try:
        with path.open("rb") as file:
            return file.read(largest + 1)
    except OSError as error:
        raise CxrbenchError(f"{path} cannot be read: {error.strerror}") from None


def require_regular(path: Path, largest: int, *, within: Path) -> None:
    """Raise CxrbenchError if a path is no file, one of more than `largest` bytes, or a link that leads out of `within`."""
    try:
        status, place = path.stat(), path.resolve()
    except (OSError, RuntimeError) as error:  # a loop of links is the latter
        raise CxrbenchError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not place.is_relative_to(within.resolve()):
        raise CxrbenchError(f"{path} is refused: it is a link that leads out of {within}")
    if not stat.S_ISREG(status.st_mode):
        raise CxrbenchError(f"{path} is refused: it is no file")
    if status.st_size > largest:
        raise CxrbenchError(f"{path} is refused: it has {status.st_size:,} bytes; at most {largest:,} are read")


def first_problem(error: ValidationError) -> str:
    """Return the first problem: where, and what."""
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    reason = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {reason}" if where else reason


def _strict_json(content: bytes) -> Any:
    """Parse JSON; refuse what parsers read differently: duplicate keys, invalid numbers, other encodings."""
    return json.loads(content.decode(), object_pairs_hook=_unique, parse_constant=_no_number)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")
