"""Read images from one folder per class, optionally inside train, val and test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cxrbench.plugin import ClassNames, ConfigError, DataError, Images, Record
from cxrbench_datasets.kermany import find_patient
from cxrbench_datasets.tree import (
    ClassFolder,
    escaped,
    find_classes,
    find_root,
    list_files,
    list_folders,
    list_other_folders,
    name_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cxrbench_datasets.tree import Label

PatientKey = Literal["kermany", "kermany-merged", "file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReader:
    """Finds the image of a key in a folder: at the path of `paths`, or else at the key itself."""

    root: Path
    paths: Mapping[str, str]

    def __call__(self, key: str) -> Path:
        """Return the path of the image."""
        return self.root / self.paths.get(key, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ListedFile:
    path: Path
    part: ClassFolder

    @property
    def is_mask(self) -> bool:
        """Whether the file is in a folder of segmentation masks; collections with lung outlines have them."""
        return any(name.casefold() == "masks" for name in self.path.relative_to(self.part.path).parts[:-1])


def claims_folder(path: str | Path) -> bool:
    """Return whether a path is a folder with NORMAL or PNEUMONIA, directly or in train, val or test."""
    folder = Path(path)
    try:
        return folder.is_dir() and find_root(folder.resolve(), _labels_by_folder("NORMAL", "PNEUMONIA")) is not None
    except OSError:
        return False


def load_folder(
    source: str | None,
    *,
    negative: str = "NORMAL",
    positive: str = "PNEUMONIA",
    patient_key: PatientKey = "kermany",
) -> Images:
    """List the images of a folder tree. Other files are listed too; the decoder reports them.

    Args:
        source: the folder of the class folders, or of train, val and test.
        negative: folder name of the negative class, in upper or lower case.
        positive: folder name of the positive class, in upper or lower case.
        patient_key: how to get the patient from a file name: ``kermany`` from kind and number in the names of that collection,
            ``kermany-merged`` from the number alone, ``file`` counts every file as a patient.

    Raises:
        ConfigError: the folder does not exist, or both classes have the same name.
        DataError: a class has no files, or the folder cannot be read.
    """
    if source is None:
        raise ConfigError("the dataset folder needs a source: the path of a folder with one folder per class")
    folder = Path(source).expanduser().resolve()
    if not folder.is_dir():
        raise ConfigError(f"{source} is not a folder: check the path; unpack an archive first")
    labels = _labels_by_folder(negative, positive)
    try:
        return _list_images(folder, labels, ClassNames(negative=negative, positive=positive), patient_key)
    except OSError as error:
        raise DataError(f"cannot read {error.filename}: {error.strerror}") from error


def _labels_by_folder(negative: str, positive: str) -> dict[str, Label]:
    if negative.casefold() == positive.casefold():
        raise ConfigError(f"negative and positive are both {positive!r}: give each class its own folder name")
    return {negative.casefold(): 0, positive.casefold(): 1}


def _list_images(folder: Path, labels: Mapping[str, Label], class_names: ClassNames, patient_key: PatientKey) -> Images:
    root = find_root(folder, labels) or folder
    classes = find_classes(root, labels)
    listed = [(part, list_files(part.path)) for part in classes]
    files = [_ListedFile(path=path, part=part) for part, listing in listed for path in listing.files]
    images = [file for file in files if not file.is_mask]
    _check_tree(root, labels, classes, images)
    records = sorted((_record(file, root, patient_key) for file in images), key=lambda record: record.key)
    ignored = {
        "are neither a class nor train, val or test": [name_of(path, root) for path in list_other_folders(root, classes)],
        "link to folders that are already listed": [name_of(path, root) for _, listing in listed for path in listing.repeated],
    }
    warnings = tuple(_warnings(records, masks=len(files) - len(images), ignored=ignored))
    paths = {name_of(file.path, root): file.path.relative_to(root).as_posix() for file in images}
    reader = FileReader(root=root, paths={key: path for key, path in paths.items() if key != path})
    name = escaped(root.name) or "folder"
    return Images(name=name, records=records, read=reader, warnings=warnings, class_names=class_names)


def _check_tree(root: Path, labels: Mapping[str, Label], classes: Sequence[ClassFolder], images: Sequence[_ListedFile]) -> None:
    expected = " and ".join(f"{name.upper()}/" for name in labels)
    if not classes:
        folders = ", ".join(f"{child.name}/" for child in list_folders(root)[:8]) or "no folders"
        raise DataError(
            f"{root} has {folders}; expected {expected} (upper or lower case), directly or in train/, val/ and test/. "
            "Give the folder that contains them, or the names of your folders with the options negative and positive"
        )
    if len({part.split is None for part in classes}) > 1:
        flat = next(part.path.name for part in classes if part.split is None)
        raise DataError(f"{root} has {flat}/ both directly and in a folder such as train/: keep one of the two")
    missing = [name.upper() for name, label in labels.items() if all(image.part.label != label for image in images)]
    if missing:
        found = ", ".join(f"{part.path.relative_to(root).as_posix()} (files: {_count(part, images)})" for part in classes)
        raise DataError(f"{root} has no files of class {' and '.join(missing)}: found {found}; expected files in {expected}")


def _count(part: ClassFolder, images: Sequence[_ListedFile]) -> int:
    return sum(image.part == part for image in images)


def _record(file: _ListedFile, root: Path, patient_key: PatientKey) -> Record:
    key = name_of(file.path, root)
    patient = None if patient_key == "file" else find_patient(file.path.name, merged=patient_key == "kermany-merged")
    return Record(key=key, label=file.part.label, patient=patient or key, split=file.part.split)


def _warnings(records: Sequence[Record], *, masks: int, ignored: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for reason, names in ignored.items():
        if names:
            yield f"ignored folders that {reason}: {', '.join(names)}"
    if masks:
        yield f"ignored files in folders named masks: {masks:,}"
    if alone := sum(record.patient == record.key for record in records):
        yield (
            f"{alone:,} of {len(records):,} files count as one patient each, because the patient is unknown: images of one "
            "patient may be on both sides of a split. To prevent that, use a manifest with a patient column"
        )
