"""Attempts: a protocol that is run from the start again keeps its earlier results in folders of their own."""

from __future__ import annotations

import re
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from cxrbench.errors import CxrbenchError
from cxrbench.leaderboard.store.entry_files import read_protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cxrbench.config.protocol import Protocol


def suffix(attempt: int) -> str:
    """Return what follows the name of an attempt's folder and studies: nothing for attempt 1, else ``-2`` and so on."""
    return "" if attempt == 1 else f"-{attempt}"


def folder_name(protocol: Protocol, attempt: int) -> str:
    """Return the name of an attempt's folder."""
    return f"{protocol.name}{suffix(attempt)}"


def attempt_of(folder: str, protocol: Protocol) -> int | None:
    """Return the attempt that a folder of that name holds; None for another name."""
    match = re.fullmatch(rf"{re.escape(protocol.name)}(?:-([2-9]|[1-9]\d+))?", folder)
    return int(match[1] or 1) if match else None


def newest_attempt(out: Path, protocol: Protocol) -> int:
    """Return the newest attempt at a protocol, else the newest at its studies with another number of trials, else 1."""
    return max(_attempts_at(out, protocol) or _attempts_at_its_studies(out, protocol), default=1)


def make_attempt(out: Path, protocol: Protocol, is_recorded: Callable[[int], bool]) -> int:
    """Make the folder of the next attempt and return its number. Two processes at once get two attempts.

    Args:
        out: folder of the leaderboards.
        protocol: of the attempt.
        is_recorded: whether studies of an attempt are still recorded although its folder was removed.
    """
    known = _attempts_at(out, protocol) | _attempts_at_its_studies(out, protocol)
    for attempt in count(max(known, default=0) + 1):
        if not is_recorded(attempt) and _is_made(out / folder_name(protocol, attempt)):
            return attempt
    raise AssertionError


def _attempts_at(out: Path, protocol: Protocol) -> set[int]:
    attempts = {attempt_of(path.name, protocol) for path in out.glob(f"{protocol.name}*") if path.is_dir()}
    return {attempt for attempt in attempts if attempt}


def _attempts_at_its_studies(out: Path, protocol: Protocol) -> set[int]:
    attempts: set[int] = set()
    for path in out.glob("*/protocol.json"):
        with suppress(CxrbenchError):  # written by another version
            other = read_protocol(path)
            if other.study_identity == protocol.study_identity:
                attempts.add(attempt_of(path.parent.name, other) or 1)
    return attempts


def _is_made(path: Path) -> bool:
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        return False
    return True
