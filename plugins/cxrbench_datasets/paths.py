"""Turn the paths of a manifest into keys that are the same on every machine."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cxrbench.plugin import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROOT = re.compile("/|[A-Za-z]:/")


def is_absolute(text: str) -> bool:
    """Return whether a path with forward slashes is absolute on POSIX or Windows."""
    return _ROOT.match(text) is not None


def locate(texts: Sequence[str], folder: Path) -> list[str]:
    """Normalise paths: relative to `folder` if they are inside it, else absolute."""
    spellings = (folder.as_posix(), folder.resolve().as_posix())
    bases = [f"{posixpath.normpath(spelling).rstrip('/')}/" for spelling in spellings]
    places = [posixpath.normpath(text if is_absolute(text) else bases[0] + text) for text in texts]
    return [next((place.removeprefix(base) for base in bases if place.startswith(base)), place) for place in places]


def name_places(places: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Return one distinct key per distinct place of `locate`.

    A path relative to the manifest is its own key. An absolute path is cut to its last folders, as many as needed to keep all
    keys distinct. So keys stay the same when the data moves, and do not show where it was.
    """
    written = [posixpath.normpath(text) if is_absolute(place) else place for place, text in zip(places, texts, strict=True)]
    taken = {key for key in written if not is_absolute(key)}
    outside = [key for key in written if is_absolute(key)]
    ends = dict(zip(outside, _distinct_ends(outside, taken), strict=True))
    return [ends.get(key, key) for key in written]


def _distinct_ends(places: Sequence[str], taken: set[str]) -> list[str]:
    if not places:
        return []
    paths = [PurePosixPath(*filter(None, place.split("/")[1:])) for place in places]
    mount = PurePosixPath(posixpath.commonpath([path.parent for path in paths]))
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        ends = ["/".join(path.parts[len(mount.parts) :][-depth:]) for path in paths]
        if len(set(ends)) == len(ends) and taken.isdisjoint(ends):
            return ends
    raise DataError("the absolute paths of the manifest give no distinct names: write them relative to the manifest")
