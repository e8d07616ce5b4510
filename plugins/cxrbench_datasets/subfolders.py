"""Choose which files of a class folder are its images: masks and other renderings often lie beside them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from itertools import chain
from typing import TYPE_CHECKING

from cxrbench.plugin import DataError, looks_like_image
from cxrbench_datasets.tree import PARTS, escaped

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

EVERY_FILE = "*"
_IMAGES = frozenset({"images", "image", "imgs", "img"})
_MASK_WORDS = frozenset({"mask", "masks", "lung", "lungs", "left", "right", "heart", "manual", "binary", "segmentation"})
_MASK_FILE = re.compile(r".*[-_. ]masks?\.[^.]*", re.IGNORECASE)
_DERIVED = re.compile("mask|segment|annotat|outline|contour|heat.?map|overlay|salienc|grad.?cam|thumb|augment", re.IGNORECASE)
"""In the name of a folder: its images may have been made from others."""
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def is_mask(path: Path, folder: Path) -> bool:
    """Return whether a file in a class folder is a segmentation mask by its name or that of a folder."""
    return bool(_MASK_FILE.fullmatch(path.name)) or any(is_mask_folder(name) for name in _folders(path, folder))


def is_mask_folder(name: str) -> bool:
    """Return whether a folder holds segmentation masks by its name."""
    words = {word.casefold() for word in _WORD.findall(name)}
    return bool(words & {"mask", "masks"}) and words <= _MASK_WORDS


def is_in_subfolder(path: Path, folder: Path, subfolder: str) -> bool:
    """Return whether a file in a class folder is in a subfolder of that name: ``images``, ``pa*``, ``left+right`` or ``*``."""
    patterns = subfolder.casefold().split("+")
    return subfolder == EVERY_FILE or any(
        fnmatchcase(name.casefold(), pattern) for name in _folders(path, folder) for pattern in patterns
    )


def refuse_unclear_subfolders(files: Iterable[Path], folder: Path, reserved: Collection[str]) -> None:
    """Raise DataError if it is unclear which of the files in a class folder are its images.

    Args:
        files: without masks.
        folder: the class folder.
        reserved: casefolded names of classes, which mean nothing inside a class.
    """
    inside: dict[tuple[str, ...], list[Path]] = {}
    for file in files:
        inside.setdefault(_folders(file, folder), []).append(file)
    for names, listed in inside.items():
        if any(_is_odd(name, folder, reserved) for name in names) and any(map(looks_like_image, listed)):
            raise _unclear(folder, f"{'/'.join(map(escaped, names))}/", "if they do not, move that folder away")
    for chosen, beside in _beside_images(inside):
        if other := next(filter(looks_like_image, beside), None):
            where = f"{chosen}/ and elsewhere ({escaped(other.relative_to(folder).as_posix())})"
            raise _unclear(folder, where, f"to use {chosen}/ alone, set the option subfolder={chosen}")


def _is_odd(name: str, folder: Path, reserved: Collection[str]) -> bool:
    """Return whether a folder inside a class folder is named like renderings, a part, or another class."""
    is_other_class = name.casefold() in reserved and name.casefold() != folder.name.casefold()
    return bool(_DERIVED.search(name)) or name.casefold() in PARTS or is_other_class


def _beside_images(inside: Mapping[tuple[str, ...], Sequence[Path]]) -> Iterator[tuple[str, Iterator[Path]]]:
    """Yield the name of each folder like ``images`` that has neighbours, and the files of these."""
    below: dict[tuple[str, ...], dict[str, list[Sequence[Path]]]] = {}
    for names, listed in inside.items():
        for depth in range(len(names) + 1):
            child = names[depth] if depth < len(names) else ""
            below.setdefault(names[:depth], {}).setdefault(child, []).append(listed)
    for children in below.values():
        if chosen := next((name for name in children if name.casefold() in _IMAGES), None):
            others = (lists for name, lists in children.items() if name != chosen)
            yield chosen, chain.from_iterable(chain.from_iterable(others))


def _unclear(folder: Path, where: str, remedy: str) -> DataError:
    return DataError(
        f"{escaped(str(folder))} has images in {where}; it is unclear whether all of them show the class: {remedy}; to use "
        "every file, set subfolder=*. Example: --data 'folder:source=FOLDER,subfolder=images'"
    )


def _folders(path: Path, folder: Path) -> tuple[str, ...]:
    """Return the names of the folders between a class folder and a file."""
    return path.relative_to(folder).parts[:-1]
