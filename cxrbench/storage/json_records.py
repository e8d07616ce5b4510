"""Read JSON files that others may have written: limited in size, inside their folder, and valid by their schema."""

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


LARGEST_JSON_BYTES = 32 * 2**20
"""An entry of 20 folds of 100 seeds has 2 MB."""
LONGEST_REASON = 300


def read_record(path: Path, schema: Schema[M], *, within: Path) -> M:
    """Read a JSON file as a record.

    Args:
        path: the file.
        schema: the kind of record, applied strictly. An earlier version is migrated; nothing else is converted.
        within: the folder that must contain the file after links are followed.

    Raises:
        CxrbenchError: the file is not valid. The message names the file and the problem.
    """
    require_regular(path, LARGEST_JSON_BYTES, within=within)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_JSON_BYTES + 1)
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
    except OSError as error:
        raise CxrbenchError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        reason = f"it is not valid JSON: {error}"
    raise CxrbenchError(f"{path} is not a valid {schema.what}: {as_line(reason)[:LONGEST_REASON]}")


def require_regular(path: Path, largest: int, *, within: Path) -> None:
    """Raise CxrbenchError if a path is not a regular file, is a link to outside of `within`, or exceeds `largest` bytes."""
    try:
        status, target = path.stat(), path.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise CxrbenchError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not target.is_relative_to(within.resolve()):
        raise CxrbenchError(f"{path} is refused: it links to a file outside {within}")
    if not stat.S_ISREG(status.st_mode):
        raise CxrbenchError(f"{path} is refused: it is not a regular file")
    if status.st_size > largest:
        raise CxrbenchError(f"{path} is refused: it has {status.st_size:,} bytes (limit: {largest:,})")


def first_problem(error: ValidationError) -> str:
    """Return the first problem of a validation, as ``field.path: message``."""
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    reason = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {reason}" if where else reason


def _strict_json(content: bytes) -> Any:
    """Parse JSON; refuse what parsers read differently: duplicate keys, invalid numbers, other encodings."""
    return json.loads(content.decode(), object_pairs_hook=_reject_duplicate_keys, parse_constant=_reject_constant)


def _reject_duplicate_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"duplicate key {next(key for key in keys if keys.count(key) > 1)!r}")
    return mapping


def _reject_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number")
