"""Images in one folder per class, with or without the parts train, val and test around them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cxrbench.plugin import ConfigError, DataError, Images, Record
from cxrbench_datasets.kermany import find_patient
from cxrbench_datasets.tree import (
    ClassFolder,
    escaped,
    find_classes,
    find_root,
    list_files,
    list_folders,
    list_strangers,
    name_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cxrbench_datasets.tree import Label

PatientKey = Literal["kermany", "kermany-merged", "file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReader:
    """Where the image of a key lies: below a folder, under its key unless that is `spelt` otherwise on disk."""

    root: Path
    spelt: Mapping[str, str]

    def __call__(self, key: str) -> Path:
        """Return the path of the image."""
        return self.root / self.spelt.get(key, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    path: Path
    part: ClassFolder

    @property
    def is_mask(self) -> bool:
        """Whether it lies in a folder of segmentation masks, as collections with lung outlines have them."""
        return any(name.casefold() == "masks" for name in self.path.relative_to(self.part.path).parts[:-1])


def claims_folder(path: str | Path) -> bool:
    """Tell whether a path is a folder with NORMAL or PNEUMONIA in it, directly or under train, val or test."""
    folder = Path(path)
    try:
        return folder.is_dir() and find_root(folder.resolve(), _labels("NORMAL", "PNEUMONIA")) is not None
    except OSError:
        return False


def load_folder(
    source: str | None,
    *,
    negative: str = "NORMAL",
    positive: str = "PNEUMONIA",
    patient_key: PatientKey = "kermany",
) -> Images:
    """List the images of a folder tree; files that are no images are listed too, for the decoder to name.

    Args:
        source: the folder that holds the class folders or the parts.
        negative: the name of the folders of class 0, in any case.
        positive: the name of the folders of class 1, in any case.
        patient_key: how a file name tells the patient: ``kermany`` by kind and number in the names of that collection,
            ``kermany-merged`` by the number alone, ``file`` not at all.

    Raises:
        ConfigError: there is no such folder, or both classes have one name.
        DataError: a class has no files, or the folder cannot be read.
    """
    if source is None:
        raise ConfigError("the dataset folder needs a source: the path of a folder that holds one folder per class")
    folder = Path(source).expanduser().resolve()
    if not folder.is_dir():
        raise ConfigError(f"{source} is not a folder: check the path, and unpack an archive first")
    names = _labels(negative, positive)
    try:
        return _load(folder, names, patient_key)
    except OSError as error:
        raise DataError(f"cannot read {error.filename}: {error.strerror}") from error


def _labels(negative: str, positive: str) -> dict[str, Label]:
    if negative.casefold() == positive.casefold():
        raise ConfigError(f"negative and positive both name the folder {positive!r}: name one folder for each class")
    return {negative.casefold(): 0, positive.casefold(): 1}


def _load(folder: Path, names: Mapping[str, Label], patient_key: PatientKey) -> Images:
    root = find_root(folder, names) or folder
    classes = find_classes(root, names)
    listed = [(part, list_files(part.path)) for part in classes]
    files = [_File(path=path, part=part) for part, listing in listed for path in listing.files]
    images = [file for file in files if not file.is_mask]
    _check(root, names, classes, images)
    records = sorted((_record(file, root, patient_key) for file in images), key=lambda record: record.key)
    left_out = {
        "being neither a class nor a part": [name_of(path, root) for path in list_strangers(root, classes)],
        "being links to folders that are listed already": [
            name_of(path, root) for _, listing in listed for path in listing.repeated
        ],
    }
    warnings = tuple(_warnings(records, masks=len(files) - len(images), left_out=left_out))
    spelt = {name_of(file.path, root): file.path.relative_to(root).as_posix() for file in images}
    reader = FileReader(root=root, spelt={key: path for key, path in spelt.items() if key != path})
    return Images(name=escaped(root.name) or "folder", records=records, read=reader, warnings=warnings)


def _check(root: Path, names: Mapping[str, Label], classes: Sequence[ClassFolder], images: Sequence[_File]) -> None:
    expected = " and ".join(f"{name.upper()}/" for name in names)
    if not classes:
        found = ", ".join(f"{child.name}/" for child in list_folders(root)[:8]) or "no folders"
        raise DataError(
            f"{root} holds {found}; expected are {expected} (in any case), directly or under train/, val/ and test/. "
            "Point at the folder that holds them, or say what yours are called with the options negative and positive"
        )
    if len({part.split is None for part in classes}) > 1:
        flat = next(part.path.name for part in classes if part.split is None)
        raise DataError(f"{root} holds {flat}/ both directly and beside parts such as train/: point at one of the two")
    missing = [name.upper() for name, label in names.items() if all(image.part.label != label for image in images)]
    if missing:
        found = ", ".join(f"{_name(part, root)} (files: {_count(part, images)})" for part in classes)
        raise DataError(f"{root} has no files of class {' and '.join(missing)}: found {found}; expected files in {expected}")


def _name(part: ClassFolder, root: Path) -> str:
    return part.path.relative_to(root).as_posix()


def _count(part: ClassFolder, images: Sequence[_File]) -> int:
    return sum(image.part == part for image in images)


def _record(file: _File, root: Path, patient_key: PatientKey) -> Record:
    key = name_of(file.path, root)
    patient = None if patient_key == "file" else find_patient(file.path.name, merged=patient_key == "kermany-merged")
    return Record(key=key, label=file.part.label, patient=patient or key, split=file.part.split)


def _warnings(records: Sequence[Record], *, masks: int, left_out: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for why, names in left_out.items():
        if names:
            yield f"left out, {why}: {', '.join(names)}"
    if masks:
        yield f"left out, being no X-rays, files in folders called masks: {masks:,}"
    if alone := sum(record.patient == record.key for record in records):
        yield (
            f"{alone:,} of {len(records):,} files count as one patient each, for no patient is known: images of one patient "
            "may be on both sides of a split. A manifest with a patient column prevents that"
        )
