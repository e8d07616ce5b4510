"""Read images from one folder per class, optionally inside train, val and test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cxrbench.plugin import ClassNames, ConfigError, DataError, Images, LicenceClass, Record
from cxrbench_datasets.kermany import find_patient, is_collection
from cxrbench_datasets.left_out import Tree, left_out, odd_places
from cxrbench_datasets.subfolders import is_in_subfolder, is_mask, refuse_unclear_subfolders
from cxrbench_datasets.tree import (
    ClassFolder,
    escaped,
    find_classes,
    find_root,
    list_files,
    list_folders,
    list_parts,
    name_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cxrbench_datasets.tree import Label

PatientKey = Literal["kermany", "kermany-merged", "file"]
WORDS = "NORMAL", "PNEUMONIA"
NUMBERS = "0", "1"
"""Names of class folders that need no options, negative first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReader:
    """Finds the image of a key in a folder: at the path of `paths`, or else at the key itself."""

    root: Path
    paths: Mapping[str, str]

    def __call__(self, key: str) -> Path:
        """Return the path of the image."""
        return self.root / self.paths.get(key, key)


def claims_folder(path: str | Path) -> bool:
    """Return whether a path is a folder with NORMAL or PNEUMONIA, or with 0 and 1, directly or in train, val or test."""
    folder = Path(path)
    try:
        return folder.is_dir() and _known_names(folder.resolve()) is not None
    except OSError:
        return False


def load_folder(
    source: str | None,
    *,
    negative: str | int = WORDS[0],
    positive: str | int = WORDS[1],
    patient_key: PatientKey = "kermany",
    subfolder: str | int = "",
    licence: LicenceClass = "undeclared",
) -> Images:
    """List the images of a folder tree. Other files are listed too; the decoder reports them.

    Args:
        source: the folder of the class folders, or of train, val and test.
        negative: folder name of the negative class, in upper or lower case. Without NORMAL and PNEUMONIA, 0 and 1 are read.
        positive: folder name of the positive class, in upper or lower case.
        patient_key: how to get the patient from a file name: ``kermany`` from kind and number in the names of that collection,
            ``kermany-merged`` from the number alone, ``file`` counts every file as a patient.
        subfolder: read only files in folders of this name inside the class folders; ``a+b`` for several, ``*`` for every file.
        licence: whom it allows to see the images. Where all names are those of Kermany's collection (CC BY 4.0), they are open.

    Raises:
        ConfigError: the folder does not exist, or both classes have the same name.
        DataError: a class has no files, it is unclear which files are images of a class, or the folder cannot be read.
    """
    if source is None:
        raise ConfigError("the dataset folder needs a source: the path of a folder with one folder per class")
    folder = Path(source).expanduser().resolve()
    if not folder.is_dir():
        raise ConfigError(f"{source} is not a folder: check the path; unpack an archive first")
    names = str(negative), str(positive)
    try:
        names = (_known_names(folder) or names) if names == WORDS else names
        images = _list_images(folder, names, str(subfolder), patient_key)
    except OSError as error:
        raise DataError(f"cannot read {error.filename}: {error.strerror}") from error
    is_open = licence == "undeclared" and is_collection((Path(record.key).name, record.label) for record in images.records)
    return replace(images, licence_class="open" if is_open else licence)


def _known_names(folder: Path) -> tuple[str, str] | None:
    """Return the names of the class folders that a folder has: those of Kaggle, or else 0 and 1 without further numbers."""
    if find_root(folder, _labels_by_folder(*WORDS)):
        return WORDS
    root = find_root(folder, _labels_by_folder(*NUMBERS))
    if not root:
        return None
    numbers = {child.name for _, part in list_parts(root) for child in list_folders(part) if child.name.isdecimal()}
    return NUMBERS if numbers == set(NUMBERS) else None


def _labels_by_folder(negative: str, positive: str) -> dict[str, Label]:
    if negative.casefold() == positive.casefold():
        raise ConfigError(f"negative and positive are both {positive!r}: give each class its own folder name")
    return {negative.casefold(): 0, positive.casefold(): 1}


def _list_images(folder: Path, names: tuple[str, str], subfolder: str, patient_key: PatientKey) -> Images:
    labels = _labels_by_folder(*names)
    root = find_root(folder, labels) or folder
    classes = find_classes(root, labels)
    listings = {part: list_files(part.path) for part in classes}
    images = {part: _chosen(part, listing.files, labels, subfolder) for part, listing in listings.items()}
    _check_tree(root, labels, images)
    listed = [(path, part) for part, paths in images.items() for path in paths]
    records = sorted((_record(path, part, root, patient_key) for path, part in listed), key=lambda record: record.key)
    parts = [part for _, part in list_parts(root)]
    taken = frozenset(path for path, _ in listed)
    tree = Tree(folder=folder, root=root, parts=parts, classes=[part.path for part in classes], taken=taken)
    repeated = [name_of(path, root) for listing in listings.values() for path in listing.repeated]
    odd = () if subfolder else odd_places(tree, images)
    keys = {name_of(path, root): path.relative_to(root).as_posix() for path in taken}
    return Images(
        name=escaped(root.name) or "folder",
        records=records,
        read=FileReader(root=root, paths={key: path for key, path in keys.items() if key != path}),
        warnings=(*left_out(tree), *odd, *_warnings(records, repeated)),
        class_names=ClassNames(negative=names[0], positive=names[1]),
    )


def _chosen(part: ClassFolder, files: Sequence[Path], labels: Mapping[str, Label], subfolder: str) -> Sequence[Path]:
    """Return the files of a class folder that are its images."""
    if subfolder:
        return [path for path in files if is_in_subfolder(path, part.path, subfolder)]
    images = [path for path in files if not is_mask(path, part.path)]
    refuse_unclear_subfolders(images, part.path, labels)
    return images


def _check_tree(root: Path, labels: Mapping[str, Label], images: Mapping[ClassFolder, Sequence[Path]]) -> None:
    expected = " and ".join(f"{name.upper()}/" for name in labels)
    if not images:
        folders = ", ".join(f"{child.name}/" for child in list_folders(root)[:8]) or "no folders"
        raise DataError(
            f"{root} has {folders}; expected {expected} (upper or lower case), directly or in train/, val/ and test/. "
            "Give the folder that contains them, or the names of your folders with the options negative and positive"
        )
    if len({part.split is None for part in images}) > 1:
        flat = next(part.path.name for part in images if part.split is None)
        raise DataError(f"{root} has {flat}/ both directly and in a folder such as train/: keep one of the two")
    filled = {part.label for part, paths in images.items() if paths}
    if missing := [name.upper() for name, label in labels.items() if label not in filled]:
        found = ", ".join(f"{part.path.relative_to(root).as_posix()} (files: {len(paths)})" for part, paths in images.items())
        raise DataError(f"{root} has no files of class {' and '.join(missing)}: found {found}; expected files in {expected}")


def _record(path: Path, part: ClassFolder, root: Path, patient_key: PatientKey) -> Record:
    key = name_of(path, root)
    patient = None if patient_key == "file" else find_patient(path.name, merged=patient_key == "kermany-merged")
    return Record(key=key, label=part.label, patient=patient or key, split=part.split)


def _warnings(records: Sequence[Record], repeated: Sequence[str]) -> Iterator[str]:
    if repeated:
        yield f"ignored folders that link to folders that are already listed: {', '.join(repeated)}"
    if alone := sum(record.patient == record.key for record in records):
        yield (
            f"{alone:,} of {len(records):,} files count as one patient each, because the patient is unknown: images of one "
            "patient may be on both sides of a split. To prevent that, use a manifest with a patient column"
        )
