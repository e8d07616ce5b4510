"""Find the classes of a folder tree: the usual ones, those that a user names, or those that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.plugin import ClassNames, ConfigError, is_named_like_image, looks_like_image
from cxrbench_datasets.classes import Choice, Classes, Found, choose_classes
from cxrbench_datasets.subfolders import is_mask, is_mask_folder
from cxrbench_datasets.tree import find_classes, find_root, find_root_of_any, list_files, list_folders, list_named, list_parts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cxrbench_datasets.tree import Label

WORDS = "NORMAL", "PNEUMONIA"
NUMBERS = "0", "1"
"""Names of class folders that need no options, negative first."""
MOST_CLASSES = 20
"""A tree with more folders is not taken for one folder per class, but for one per patient, say."""


def usual_classes(folder: Path) -> Classes | None:
    """Return the class folders of Kaggle's collection, if a folder has both, or else 0 and 1 without further numbers."""
    words = _classes_named(WORDS)
    if root := find_root(folder, words.labels):
        return words if len({part.label for part in find_classes(root, words.labels)}) == len(WORDS) else None
    root = find_root(folder, _classes_named(NUMBERS).labels)
    if not root:
        return None
    numbers = {child.name for _, part in list_parts(root) for child in list_folders(part) if child.name.isdecimal()}
    return _classes_named(NUMBERS) if numbers == set(NUMBERS) else None


def _classes_named(names: tuple[str, str]) -> Classes:
    negative, positive = names
    labels: dict[str, Label] = {negative.casefold(): 0, positive.casefold(): 1}
    return Classes(names=ClassNames(negative=negative, positive=positive), labels=labels)


def may_have_classes(folder: Path) -> bool:
    """Return whether a folder holds two to 20 folders with images, or one that is named like a usual class."""
    root = find_root_of_any(folder)
    if find_classes(root, _classes_named(WORDS).labels):
        return True
    named = list_named(root)
    return 2 <= len(named) <= MOST_CLASSES and sum(any(map(holds_images, folders)) for folders in named.values()) > 1


def chosen_classes(folder: Path, choice: Choice, source: str) -> Classes:
    """Return the classes of a folder that a choice stands for; raise as `choose_classes` does."""
    if choice.negative.casefold() == choice.positive.casefold():
        raise ConfigError(f"negative and positive are both {choice.positive!r}: give each class its own folder name")
    found = _found_classes(folder, source)
    if not found.counts:  # which is reported with what was expected
        return _classes_named((choice.negative or WORDS[0], choice.positive or WORDS[1]))
    return choose_classes(choice, found)


def _found_classes(folder: Path, source: str) -> Found:
    return Found(dataset="folder", source=source, counts=count_classes(find_root_of_any(folder)))


def default_classes(folder: Path, source: str) -> Classes:
    """Return the usual classes; raise DataError if a folder has others, which it names."""
    if usual := usual_classes(folder):
        return usual
    found = _found_classes(folder, source)
    if len(found.counts) > 1:
        raise found.unclear("it is unclear which class is positive and which is negative")
    return _classes_named(WORDS)


def count_classes(root: Path) -> dict[str, int]:
    """Return the number of image files of each folder of a tree that may be a class folder and has any."""
    named = {name: folders for name, folders in list_named(root).items() if not is_mask_folder(name)}
    counts = {name: sum(1 for folder in folders for _ in _images_in(folder)) for name, folders in named.items()}
    return {name: counts[name] for name in sorted(counts, key=lambda name: (-counts[name], name)) if counts[name]}


def holds_images(folder: Path) -> bool:
    """Return whether a folder may be a class folder: it holds images that are not masks."""
    return not is_mask_folder(folder.name) and next(_images_in(folder), None) is not None


def _images_in(folder: Path) -> Iterator[Path]:
    for path in list_files(folder).files:
        if not is_mask(path, folder) and (is_named_like_image(path.name) or looks_like_image(path)):
            yield path
