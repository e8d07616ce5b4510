"""Find class folders and the files in them; the part of `folder` that knows the file system."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Label = Literal[0, 1]
Split = Literal["train", "val", "test"]
PARTS: Mapping[str, Split] = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFolder:
    """A folder whose files are all of one class and one part."""

    path: Path
    label: Label
    split: Split | None


def find_root(folder: Path, names: Mapping[str, Label]) -> Path | None:
    """Return where the tree begins: at `folder` or, as in Kaggle's archive, in the folder of the same name inside it."""
    candidates = (folder, folder / folder.name)
    return next((root for root in candidates if root.is_dir() and find_classes(root, names)), None)


def find_classes(root: Path, names: Mapping[str, Label]) -> list[ClassFolder]:
    """List the class folders directly in `root` and in its parts; `names` maps casefolded folder names to labels."""
    parts: list[tuple[Split | None, Path]] = [(None, root)]
    parts += [(PARTS[child.name.casefold()], child) for child in list_folders(root) if child.name.casefold() in PARTS]
    return [
        ClassFolder(path=child, label=names[child.name.casefold()], split=split)
        for split, part in parts
        for child in list_folders(part)
        if child.name.casefold() in names
    ]


def list_folders(folder: Path) -> list[Path]:
    """List the folders directly in a folder, hidden ones aside."""
    with os.scandir(folder) as entries:
        return sorted(Path(entry) for entry in entries if not _is_hidden(entry.name) and entry.is_dir())


def list_files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, hidden ones aside; a dangling link counts, so that whoever opens it can say so."""
    for place, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        files = (Path(place, name) for name in names if not _is_hidden(name))
        yield from (file for file in files if file.is_file() or file.is_symlink())


def list_strangers(root: Path, classes: Iterable[ClassFolder]) -> list[Path]:
    """List the folders beside parts and class folders that are neither, and not the second copy in Kaggle's archive."""
    known = {part.path for part in classes}
    inside_root = {child for child in list_folders(root) if child.name.casefold() not in PARTS and child.name != root.name}
    inside_parts = {child for path in known if path.parent != root for child in list_folders(path.parent)}
    return sorted((inside_root | inside_parts) - known)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _raise(error: OSError) -> None:
    raise error
