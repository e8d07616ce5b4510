"""Say in one line why an image cannot be read, without a word of what stands in the file."""

from __future__ import annotations

import re

import PIL

from cxrbench.errors import DataError
from cxrbench.storage.safe_text import as_line

WORDS = {
    PIL.UnidentifiedImageError: "is no image of a known format",
    MemoryError: "needs more memory than there is",
    FileNotFoundError: "does not exist",
}
PLAIN = re.compile(r"image file is truncated|broken data stream|broken PNG file|unrecognized data stream|Truncated File Read")
"""Beginnings of Pillow's messages that say more than their class; others may quote the file, in which patients have names."""


def reason(error: BaseException) -> str:
    """Return why an image cannot be read; only errors of our own and of the system speak for themselves."""
    if isinstance(error, DataError):
        return as_line(str(error)) or "cannot be read"
    known = next((words for kind, words in WORDS.items() if isinstance(error, kind)), "")
    if known:
        return known
    if isinstance(error, OSError) and error.strerror:
        return as_line(error.strerror)
    plain = PLAIN.match(str(error))
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    return f"cannot be decoded: {plain[0] if plain else kind}"
