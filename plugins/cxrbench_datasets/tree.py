"""Find class folders and list their files."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Label = Literal[0, 1]
Split = Literal["train", "val", "test"]
PARTS: Mapping[str, Split] = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFolder:
    """A folder with the files of one class and one split tag."""

    path: Path
    label: Label
    split: Split | None


def find_root(folder: Path, names: Mapping[str, Label]) -> Path | None:
    """Return the root of the tree: `folder` or, as in Kaggle's archive, the folder of the same name inside it."""
    candidates = (folder, folder / folder.name)
    return next((root for root in candidates if root.is_dir() and find_classes(root, names)), None)


def find_root_of_any(folder: Path) -> Path:
    """Return `folder`, or the folder of the same name inside it, if that alone holds folders that may be class folders."""
    nested = folder / folder.name
    return nested if nested.is_dir() and not list_named(folder) else folder


def find_classes(root: Path, names: Mapping[str, Label]) -> list[ClassFolder]:
    """List the class folders in `root` and in its train, val and test folders; `names` maps casefolded names to labels."""
    return [
        ClassFolder(path=child, label=names[child.name.casefold()], split=split)
        for split, part in list_parts(root)
        for child in list_folders(part)
        if child.name.casefold() in names
    ]


def list_named(root: Path) -> dict[str, list[Path]]:
    """List the folders that may be class folders, by the first spelling of their names.

    They are those in train, val and test, or else those in `root`, but not the root once more, as in Kaggle's archive.
    """
    inside = [child for split, part in list_parts(root) if split for child in list_folders(part)]
    named: dict[str, list[Path]] = {}
    spelled: dict[str, str] = {}
    for child in inside or list_folders(root):
        if child.name.casefold() not in PARTS and not _is_root_again(child, root):
            named.setdefault(spelled.setdefault(child.name.casefold(), child.name), []).append(child)
    return named


def _is_root_again(child: Path, root: Path) -> bool:
    """Return whether a folder is named like the root that it is in, and is alone there or has folders of the same names."""
    if child.name != root.name:
        return False
    beside, inside = ({one.name for one in list_folders(folder)} for folder in (root, child))
    return beside == {child.name} or not beside.isdisjoint(inside)


def list_parts(root: Path) -> list[tuple[Split | None, Path]]:
    """List the folders that may hold class folders, with their split tags: `root` itself, and its train, val and test."""
    tagged = [(PARTS[child.name.casefold()], child) for child in list_folders(root) if child.name.casefold() in PARTS]
    return [(None, root), *tagged]


def list_folders(folder: Path) -> list[Path]:
    """List the folders directly in a folder, without hidden ones."""
    with os.scandir(folder) as entries:
        return sorted(Path(entry) for entry in entries if not is_hidden(entry.name) and _is_folder(entry))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The files below a folder.

    Attributes:
        files: everything that is not a folder, including pipes and dangling links; the decoder reports these.
        repeated: links to folders that are already listed, such as a parent; their files are not listed again.
    """

    files: tuple[Path, ...]
    repeated: tuple[Path, ...]


def list_files(folder: Path) -> Listing:
    """List the files below a folder, without hidden files and folders; links to folders are followed once."""
    files: list[Path] = []
    repeated: list[Path] = []
    known: set[tuple[int, int]] = set()
    waiting = deque([folder])
    while waiting:
        current = waiting.popleft()
        identity = _identity(current)
        if identity in known:
            repeated.append(current)
            continue
        known.add(identity)
        with os.scandir(current) as entries:
            visible = sorted((entry for entry in entries if not is_hidden(entry.name)), key=lambda entry: entry.name)
        files += [Path(entry) for entry in visible if not _is_folder(entry)]
        folders = [entry for entry in visible if _is_folder(entry)]
        waiting.extendleft(Path(entry) for entry in folders if not entry.is_symlink())
        waiting.extend(Path(entry) for entry in folders if entry.is_symlink())  # after all real folders
    return Listing(files=tuple(files), repeated=tuple(sorted(repeated)))


def name_of(path: Path, root: Path) -> str:
    """Return a path relative to a root as text; bytes that are not UTF-8 are escaped."""
    return escaped(path.relative_to(root).as_posix())


def escaped(name: str) -> str:
    """Return a file name as valid Unicode."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is hidden, or one that macOS adds to archives."""
    return name.startswith(".") or name == "__MACOSX"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
