"""Attempts: a protocol is run from the start again, beside what it came to before."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from cxrbench.errors import CxrbenchError
from cxrbench.leaderboard.store.entry_files import read_protocol
from cxrbench.leaderboard.store.folder import ProtocolFolder
from cxrbench.leaderboard.store.names import attempt_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cxrbench.config.protocol import Protocol
    from cxrbench.search.database import Database


def newest_attempt(out: Path, protocol: Protocol, database: Database | None = None) -> ProtocolFolder:
    """Return the folder of the newest attempt at a protocol, or at its studies with another budget; else of the first."""
    found = _attempts_at(out, protocol) or _attempts_at_its_studies(out, protocol)
    return ProtocolFolder(out=out, protocol=protocol, attempt=max(found, default=1), database=database)


def begin_attempt(any_attempt: ProtocolFolder, is_recorded: Callable[[ProtocolFolder], bool]) -> ProtocolFolder:
    """Make the folder of the next attempt; of two processes that do so at once each gets its own.

    Args:
        any_attempt: one of the same protocol.
        is_recorded: whether a study of an attempt is on record, though its folder is gone.
    """
    out, protocol = any_attempt.out, any_attempt.protocol
    found = _attempts_at(out, protocol) | _attempts_at_its_studies(out, protocol)
    for attempt in count(max(found, default=0) + 1):
        folder = replace(any_attempt, attempt=attempt)
        if not is_recorded(folder) and _is_made(folder.path):
            return folder
    raise AssertionError


def _attempts_at(out: Path, protocol: Protocol) -> set[int]:
    found = {attempt_of(path.name, protocol) for path in out.glob(f"{protocol.name}*") if path.is_dir()}
    return {attempt for attempt in found if attempt}


def _attempts_at_its_studies(out: Path, protocol: Protocol) -> set[int]:
    found: set[int] = set()
    for path in out.glob("*/protocol.json"):
        with suppress(CxrbenchError):  # of another version
            other = read_protocol(path)
            if other.study_identity == protocol.study_identity:
                found.add(attempt_of(path.parent.name, other) or 1)
    return found


def _is_made(path: Path) -> bool:
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        return False
    return True
