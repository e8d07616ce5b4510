"""The order in which Python searches folders for modules, so that no file of the user replaces a library's."""

# ruff: noqa: PTH120
from __future__ import annotations

import os  # pathlib imports modules that a file of the user may replace
import sys

IMPORTED_FROM = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
"""The folder that this package was imported from."""


def libraries_first() -> list[str]:
    """Return ``sys.path`` with the working folder and the folder of the user's script last.

    Python puts one of them first, where a ``signal.py`` or ``random.py`` replaces the module of that name for all libraries.
    What only these folders have can still be imported. A folder that this package comes from keeps its place.
    """
    main = getattr(sys.modules.get("__main__"), "__file__", None) or ""
    own = {_real(""), _real(os.path.dirname(main))} - {IMPORTED_FROM}
    paths = [path or _real("") for path in sys.path]
    return [path for path in paths if _real(path) not in own] + [path for path in paths if _real(path) in own]


def _real(folder: str) -> str:
    try:
        return os.path.realpath(folder or os.curdir)
    except FileNotFoundError:  # the working folder was deleted
        return folder
