"""Describe in one line why an image cannot be read, without quoting the file."""

from __future__ import annotations

import re

import PIL

from cxrbench.errors import DataError
from cxrbench.storage.safe_text import as_line

REASONS = {
    PIL.UnidentifiedImageError: "is not an image of a known format",
    MemoryError: "needs more memory than is available",
    FileNotFoundError: "does not exist",
}
SAFE_MESSAGES = re.compile(
    r"image file is truncated|broken data stream|broken PNG file|unrecognized data stream|Truncated File Read"
)
"""Beginnings of Pillow's messages that quote nothing; others may quote the file, which may contain a patient's name."""


def reason(error: BaseException) -> str:
    """Return why an image cannot be read; only messages of cxrbench and of the operating system are quoted."""
    if isinstance(error, DataError):
        return as_line(str(error)) or "cannot be read"
    known = next((text for kind, text in REASONS.items() if isinstance(error, kind)), "")
    if known:
        return known
    if isinstance(error, OSError) and error.strerror:
        return as_line(error.strerror)
    safe = SAFE_MESSAGES.match(str(error))
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    return f"cannot be decoded: {safe[0] if safe else kind}"
