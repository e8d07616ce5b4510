"""Find image files that lie beside the images of a manifest and are not listed in it."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.plugin import is_named_like_image, looks_like_image
from cxrbench_datasets.image_files import how_many, listed
from cxrbench_datasets.tree import is_hidden

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def unlisted_images(images: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a warning if the folders of the images hold further image files; folders that cannot be read hold none.

    Args:
        images: the key and the path of each image.
    """
    known_names: dict[Path, set[str]] = {}
    names: dict[Path, str] = {}
    folders: dict[str, Path] = {}
    for key, path in images:
        place, _, name = path.rpartition(os.sep)
        if place not in folders:
            folders[place] = Path(place).resolve()
        folder = folders[place]
        known_names.setdefault(folder, set()).add(name)
        names.setdefault(folder, f"{key.rpartition('/')[0] or '.'}/")
    counts = Counter[str]()
    for folder, known in known_names.items():
        counts[names[folder]] += _count_others(folder, known)
    if counts.total():
        beside = listed(dict(sorted(counts.items())))
        yield f"ignored {how_many(counts)} that the manifest does not list, beside those that it lists: {beside}"


def _count_others(folder: Path, known: set[str]) -> int:
    try:
        with os.scandir(folder) as entries:
            others = [entry.name for entry in entries if entry.name not in known]
    except OSError:
        return 0
    return sum((is_named_like_image(name) and not is_hidden(name)) or looks_like_image(folder / name) for name in others)
