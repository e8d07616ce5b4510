"""Find the folders of a collection and list image files, without looking at any single file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.plugin import ConfigError, DataError, is_named_like_image

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReader:
    """Finds the image of a key: in its folder of `folders`, or else in the folder `default`, both relative to `root`."""

    root: Path
    default: str = ""
    folders: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, key: str) -> Path:
        """Return the path of the image."""
        return self.root / self.folders.get(key, self.default) / key


def require_folder(source: str | None, dataset: str, layout: str) -> Path:
    """Return the folder that the user gave; raise ConfigError if there is none, with what it must hold."""
    if source is None:
        raise ConfigError(f"the dataset {dataset} needs a source: write {dataset}:source=FOLDER, and give {layout}")
    folder = Path(source).expanduser().absolute()
    if not folder.is_dir():
        raise ConfigError(f"{dataset}:source={source} is not a folder: give {layout}; unpack archives first")
    return folder


def list_folders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted, without hidden ones; none if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(name for name, entry in _entries(folder) if not is_named_like_image(name) and entry.is_dir())


def list_images(folder: Path) -> list[str]:
    """Return the names in a folder that end like an image, sorted, without hidden ones; none if there is no such folder."""
    return sorted(name for name, _ in _entries(folder) if is_named_like_image(name)) if folder.is_dir() else []


def _entries(folder: Path) -> list[tuple[str, os.DirEntry[str]]]:
    try:
        with os.scandir(folder) as entries:
            return [(entry.name, entry) for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"cannot list {folder}: {error.strerror}") from error
