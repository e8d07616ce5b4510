"""What the folder of each attempt at a protocol is called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxrbench.config.protocol import Protocol


def suffix(attempt: int) -> str:
    """Return what tells an attempt, from 1, from the others: nothing for the first one."""
    return "" if attempt == 1 else f"-{attempt}"


def folder_name(protocol: Protocol, attempt: int) -> str:
    """Return what the folder of an attempt is called."""
    return f"{protocol.name}{suffix(attempt)}"


def attempt_of(folder: str, protocol: Protocol) -> int | None:
    """Return which attempt a folder of that name holds; None if it is not named like one."""
    found = re.fullmatch(rf"{re.escape(protocol.name)}(?:-([2-9]|[1-9]\d+))?", folder)
    return int(found[1] or 1) if found else None
