"""Say which image files of a tree are left out and why, and which are taken from odd places."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.plugin import looks_like_image
from cxrbench_datasets.image_files import NAMED, how_many, listed
from cxrbench_datasets.subfolders import is_mask, is_mask_folder
from cxrbench_datasets.tree import is_hidden, name_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from cxrbench_datasets.tree import ClassFolder, Split

HIDDEN = "hidden files"
REPEATED = "a second copy, as in Kaggle's archive"
OTHER = "folders that are neither a class nor train, val or test"
NEITHER = "classes that are neither the positive nor the negative one"
LOOSE = "files in no class folder"
MASK = "masks"
UNCHOSEN = "files outside the chosen subfolder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A folder tree and what was taken from it.

    Attributes:
        folder: the folder that the user gave.
        root: the folder of the class folders, or of train, val and test.
        parts: the folders that hold class folders.
        classes: the class folders.
        taken: the files that are images of the dataset.
        is_chosen: whether the user chose the classes, so that other folders beside them are classes as well.
    """

    folder: Path
    root: Path
    parts: Collection[Path]
    classes: Collection[Path]
    taken: frozenset[Path]
    is_chosen: bool = False


def left_out(tree: Tree) -> Iterator[str]:
    """Yield a warning for each reason why image files of a tree are left out, with their number and places."""
    taken, closed = tree.taken | _real_places(tree.taken), set[Path]()
    found: dict[str, Counter[Path]] = {}
    for path in _walk(tree.folder, closed):
        if path not in taken and looks_like_image(path):
            reason, place = _reason(path, tree)
            found.setdefault(reason, Counter())[place] += 1
    for reason, places in sorted(found.items()):
        yield f"ignored {reason}: {_described(places, tree.folder)}"
    if closed:
        yield f"ignored folders that cannot be read: {', '.join(name_of(path, tree.folder) for path in sorted(closed)[:NAMED])}"


def odd_places(tree: Tree, images: Mapping[ClassFolder, Sequence[Path]]) -> Iterator[str]:
    """Yield a warning for images that were taken from several folders as one: of one name and part, or in one class folder."""
    same: dict[tuple[str, Split | None], Counter[Path]] = {}
    inside = Counter[Path]()
    for part, files in images.items():
        same.setdefault((part.path.name.casefold(), part.split), Counter())[part.path] = len(files)
        places = Counter(file.parent for file in files)
        inside += places if len(places) > 1 else {}
    for folders in same.values():
        if len(folders) > 1:
            yield f"several folders are read as one: {_described(folders, tree.folder)}"
    if inside:
        yield f"folders inside the class folders count as well: {_described(inside, tree.folder)}"


def _described(places: Mapping[Path, int], folder: Path) -> str:
    """Describe places in a folder with their numbers of image files."""
    shown = {_shown(place, folder): count for place, count in sorted(places.items())}
    return f"{how_many(shown)} in {listed(shown)}"


def _real_places(paths: Iterable[Path]) -> set[Path]:
    """Return paths with all links followed."""
    folders: dict[Path, Path] = {}
    places = set()
    for path in paths:
        if path.parent not in folders:
            folders[path.parent] = path.parent.resolve()
        place = folders[path.parent] / path.name
        places.add(Path(os.path.realpath(place)) if place.is_symlink() else place)
    return places


def _walk(folder: Path, closed: set[Path]) -> Iterator[Path]:
    """Yield every file below a folder in its real place, without following links; note folders that cannot be read."""

    def failed(error: OSError) -> None:
        closed.add(Path(error.filename))

    for place, folders, files in os.walk(folder, onerror=failed):
        folders.sort()
        yield from (Path(place, name) for name in sorted(files))


def _shown(place: Path, folder: Path) -> str:
    name = name_of(place, folder)
    return f"{name}/" if place.is_dir() else name


def _reason(path: Path, tree: Tree) -> tuple[str, Path]:
    """Return why an image file is left out, and the uppermost folder of which that is true, or else its own folder."""
    names = path.relative_to(tree.folder).parts
    if hidden := next((depth for depth, name in enumerate(names, 1) if is_hidden(name)), 0):
        return HIDDEN, tree.folder.joinpath(*names[:hidden])
    if holder := next((one for one in tree.classes if path.is_relative_to(one)), None):
        return MASK if is_mask(path, holder) else UNCHOSEN, path.parent
    part = max((one for one in tree.parts if path.is_relative_to(one)), key=lambda one: len(one.parts), default=tree.folder)
    inside = path.relative_to(part).parts
    if len(inside) == 1:
        return LOOSE, part
    is_copy = part == tree.root and inside[0] == tree.root.name and _is_repeated(path, tree.root.joinpath(*inside[1:]), tree)
    if is_copy:
        return REPEATED, part / inside[0]
    if not _is_other_class(inside[0], part, tree):
        return OTHER, part / inside[0]
    return (MASK, path.parent) if is_mask(path, part / inside[0]) else (NEITHER, part / inside[0])


def _is_other_class(name: str, part: Path, tree: Tree) -> bool:
    beside = any(folder.parent == part for folder in tree.classes)
    return tree.is_chosen and beside and name != tree.root.name and not is_mask_folder(name)


def _is_repeated(path: Path, first: Path, tree: Tree) -> bool:
    return first in tree.taken and first.stat().st_size == path.stat().st_size
