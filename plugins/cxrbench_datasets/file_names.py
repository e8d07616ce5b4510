"""Find files whose names are written with accents in another Unicode form than on disk."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Literal

FORMS: tuple[Literal["NFC"], Literal["NFD"]] = ("NFC", "NFD")


def find_path(path: Path) -> Path:
    """Return the path of the file that a path means; the path itself if there is none.

    An accented letter is one character or two (NFC and NFD, Unicode Standard Annex 15). Systems and programs differ in which
    they write, and most file systems take the two for different names.
    """
    if str(path).isascii() or os.path.lexists(path):
        return path
    spelled = (Path(unicodedata.normalize(form, str(path))) for form in FORMS)
    return next((other for other in spelled if os.path.lexists(other)), None) or _found_by_parts(path)


def _found_by_parts(path: Path) -> Path:
    """Return the path where folders and file are written in different forms; the path itself if there is none."""
    place = Path(path.anchor)
    for part in path.relative_to(place).parts:
        spelled = (place / part, *(place / unicodedata.normalize(form, part) for form in FORMS))
        found = next((other for other in spelled if os.path.lexists(other)), None)
        if found is None:
            return path
        place = found
    return place
