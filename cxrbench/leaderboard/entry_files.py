"""Entries and external results as JSON files, checked when they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from cxrbench.errors import CxrbenchError
from cxrbench.files import write_json
from cxrbench.leaderboard.consistency import contradiction
from cxrbench.leaderboard.entry import Entry, ExternalResult

if TYPE_CHECKING:
    from pathlib import Path


def write_entry(path: Path, entry: Entry) -> None:
    """Write an entry as JSON."""
    write_json(path, entry.model_dump(mode="json"))


def read_entry(path: Path) -> Entry:
    """Read an entry.

    Raises:
        CxrbenchError: it is no entry of this version, or no test images can have given its numbers; the message names the file.
    """
    try:
        entry = Entry.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CxrbenchError(f"{path} is no entry of this version: {explain(error)}") from None
    if problem := contradiction(entry):
        raise CxrbenchError(f"{path} is refused: {problem}")
    return entry


def explain(error: ValidationError) -> str:
    """Return the first problem: where, and what."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else str(problem["msg"])


def read_external(path: Path) -> ExternalResult:
    """Read a result on an external test set; raise CxrbenchError if it is none of this version."""
    try:
        return ExternalResult.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CxrbenchError(f"{path} is no external result of this version: {explain(error)}") from None
