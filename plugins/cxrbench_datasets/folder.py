"""Read images from one folder per class, optionally inside train, val and test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cxrbench.plugin import ConfigError, DataError, Images, LicenceClass, Record
from cxrbench_datasets.class_folders import chosen_classes, default_classes, may_have_classes, usual_classes
from cxrbench_datasets.classes import Choice
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

    from cxrbench_datasets.classes import Classes
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


def claims_folder(path: str | Path) -> bool:
    """Return whether a path is a folder with NORMAL and PNEUMONIA, or with 0 and 1, directly or in train, val or test."""
    folder = Path(path)
    try:
        return folder.is_dir() and usual_classes(folder.resolve()) is not None
    except OSError:
        return False


def may_claim_folder(path: str | Path) -> bool:
    """Return whether a path is a folder with two to 20 folders with images, or with one that is named like a usual class."""
    folder = Path(path)
    try:
        return folder.is_dir() and may_have_classes(folder.resolve())
    except OSError:
        return False


def load_folder(
    source: str | None,
    *,
    negative: str | int = "",
    positive: str | int = "",
    patient_key: PatientKey = "kermany",
    subfolder: str | int = "",
    licence: LicenceClass = "undeclared",
) -> Images:
    """List the images of a folder tree. Other files are listed too; the decoder reports them.

    Args:
        source: the folder of the class folders, or of train, val and test.
        negative: folder name of the negative class, in upper or lower case; ``a+b`` for several. Without `negative` and
            `positive`, NORMAL and PNEUMONIA are read, or else 0 and 1. With one of them, the other is the one class left.
        positive: folder name of the positive class, likewise.
        patient_key: how to get the patient from a file name: ``kermany`` from kind and number in the names of that collection,
            ``kermany-merged`` from the number alone, ``file`` counts every file as a patient.
        subfolder: read only files in folders of this name inside the class folders; ``a+b`` for several, ``*`` for every file.
        licence: whom it allows to see the images. Where all names are those of Kermany's collection (CC BY 4.0), they are open.

    Raises:
        ConfigError: the folder does not exist, or a folder is in both classes.
        DataError: it is unclear which class is which, or which files are images of a class; a class has no files; or the
            folder cannot be read.
    """
    if source is None:
        raise ConfigError("the dataset folder needs a source: the path of a folder with one folder per class")
    folder = Path(source).expanduser().resolve()
    if not folder.is_dir():
        raise ConfigError(f"{source} is not a folder: check the path; unpack an archive first")
    choice = Choice(negative=str(negative), positive=str(positive))
    try:
        classes = chosen_classes(folder, choice, source) if choice.is_made else default_classes(folder, source)
        images = _list_images(folder, classes, str(subfolder), patient_key, is_chosen=choice.is_made)
    except OSError as error:
        raise DataError(f"cannot read {error.filename}: {error.strerror}") from error
    is_open = licence == "undeclared" and is_collection((Path(record.key).name, record.label) for record in images.records)
    return replace(images, licence_class="open" if is_open else licence)


def _list_images(folder: Path, read: Classes, subfolder: str, patient_key: PatientKey, *, is_chosen: bool) -> Images:
    labels = read.labels
    root = find_root(folder, labels) or folder
    classes = find_classes(root, labels)
    listings = {part: list_files(part.path) for part in classes}
    images = {part: _chosen(part, listing.files, labels, subfolder) for part, listing in listings.items()}
    _check_tree(root, labels, images)
    listed = [(path, part) for part, paths in images.items() for path in paths]
    records = sorted((_record(path, part, root, patient_key) for path, part in listed), key=lambda record: record.key)
    parts = [part for _, part in list_parts(root)]
    taken = frozenset(path for path, _ in listed)
    class_folders = [part.path for part in classes]
    tree = Tree(folder=folder, root=root, parts=parts, classes=class_folders, taken=taken, is_chosen=is_chosen)
    repeated = [name_of(path, root) for listing in listings.values() for path in listing.repeated]
    odd = () if subfolder else odd_places(tree, images)
    keys = {name_of(path, root): path.relative_to(root).as_posix() for path in taken}
    return Images(
        name=escaped(root.name) or "folder",
        records=records,
        read=FileReader(root=root, paths={key: path for key, path in keys.items() if key != path}),
        warnings=(*left_out(tree), *odd, *_warnings(records, repeated)),
        class_names=read.names,
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
            "Give the folder that contains them, or the names of your folders with --negative and --positive"
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
            "patient may be on both sides of a split. To prevent that, use a manifest with a patient column (cxrbench data "
            "convert writes one to fill in)"
        )
