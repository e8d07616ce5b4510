"""Find the image files that a user names: files, folders, patterns, and a list on standard input."""

from __future__ import annotations

import glob
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.data.decoding.reasons import reason
from cxrbench.plugin.image_files import is_named_like_image, looks_like_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPath:
    """A file to read, or a folder that could not be listed.

    Attributes:
        problem: why the folder could not be listed; empty for a file.
    """

    path: Path
    problem: str = ""


def find_images(texts: Iterable[str]) -> Iterator[FoundPath]:
    """Yield the files that paths and patterns stand for, in their order.

    A named file is always taken, also if it does not exist. A folder stands for the image files in it and below it: first its
    own, then those of its subfolders, each sorted by name. Hidden files are left out. A pattern such as ``scans/**/*.dcm`` is
    expanded unless a file has that name. ``-`` stands for the lines of standard input, each the path of a file or a folder.
    """
    for text in texts:
        for path in _listed_on_standard_input() if text == STANDARD_INPUT else _expanded(text):
            if os.path.isdir(path):  # noqa: PTH112  # Path.is_dir raises for a path that may not be looked at
                yield from _images_below(path)
            else:
                yield FoundPath(path=path)


def _listed_on_standard_input() -> Iterator[Path]:
    for line in sys.stdin.buffer:
        if name := line.rstrip(b"\r\n"):
            yield Path(os.fsdecode(name))


def _expanded(text: str) -> Iterator[Path]:
    path = os.path.expanduser(text)  # noqa: PTH111  # Path.expanduser raises where there is no home
    matches = [] if os.path.lexists(path) or not glob.has_magic(path) else sorted(glob.glob(path, recursive=True))  # noqa: PTH207
    yield from map(Path, matches or [path])


def _images_below(top: Path) -> Iterator[FoundPath]:
    """Yield the image files of a tree and the folders that cannot be listed. A folder that is linked twice is listed once."""
    failed: list[OSError] = []
    listed = {os.path.realpath(top)}
    for place, folders, files in os.walk(top, onerror=failed.append, followlinks=True):
        yield from _not_listed(failed)
        folders[:] = [name for name in sorted(folders) if not _is_hidden(name) and _is_new(Path(place, name), listed)]
        paths = (Path(place, name) for name in sorted(files) if not _is_hidden(name))
        yield from (FoundPath(path=path) for path in paths if _is_wanted(path))
    yield from _not_listed(failed)


def _not_listed(failed: list[OSError]) -> Iterator[FoundPath]:
    while failed:
        error = failed.pop(0)
        yield FoundPath(path=Path(error.filename), problem=f"cannot be listed: {reason(error)}")


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_new(folder: Path, listed: set[str]) -> bool:
    place = os.path.realpath(folder)
    is_new = place not in listed
    listed.add(place)
    return is_new


def _is_wanted(path: Path) -> bool:
    """Return whether a file looks like an image, or is a broken link, a pipe or a device named like one."""
    return looks_like_image(path) or (is_named_like_image(path.name) and not path.is_file())
