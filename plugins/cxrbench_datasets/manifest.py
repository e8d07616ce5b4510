"""Read images, labels and patients from a CSV file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.plugin import ConfigError, DataError, Images, LicenceClass, Record
from cxrbench_datasets.columns import HEADER, column_warnings, find_columns, wanted_names
from cxrbench_datasets.file_names import find_path
from cxrbench_datasets.labels import left_out, read_classes, read_labels, spelled_choice
from cxrbench_datasets.paths import is_absolute, locate, name_places
from cxrbench_datasets.table import read_table
from cxrbench_datasets.tree import PARTS
from cxrbench_datasets.unlisted import unlisted_images

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cxrbench_datasets.classes import Choice, Classes
    from cxrbench_datasets.columns import Columns
    from cxrbench_datasets.table import Table
    from cxrbench_datasets.tree import Split

_SPLITS: Mapping[str, Split | None] = {"": None, **PARTS, "validate": "val"}
ENDINGS = (".csv", ".tsv")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestReader:
    """Finds the image of a key: at its path in `elsewhere`, or else relative to the manifest."""

    folder: Path
    elsewhere: Mapping[str, str]

    def __call__(self, key: str) -> Path:
        """Return the path of the image."""
        return find_path(self.folder / self.elsewhere.get(key, key))


def claims_manifest(path: str | Path) -> bool:
    """Return whether a path is a .csv or .tsv file."""
    return Path(path).suffix.lower() in ENDINGS and Path(path).is_file()


def load_manifest(
    source: str | None,
    *,
    negative: str | int | float | bool = "",
    positive: str | int | float | bool = "",
    path: str = "",
    label: str = "",
    patient: str = "",
    split: str = "",
    view: str = "",
    age: str = "",
    sex: str = "",
    site: str = "",
    licence: LicenceClass = "undeclared",
) -> Images:
    """List the images of a CSV file. Missing files are listed too; the decoder reports them.

    Args:
        source: the path of the CSV file, or of one with semicolons or tabs; relative paths in it are relative to its folder.
        negative: label of the negative class, in upper or lower case; ``a+b`` for several. Without `negative` and `positive`,
            0, false and normal are negative, and 1, true and pneumonia are positive. With one of them, the other is the one
            label that is left. Images with other labels are left out.
        positive: label of the positive class, likewise.
        path: the column of the image's path, if it is not called path; and so on.
        label: the column of the label.
        patient: the column of the patient.
        split: the column of the source's own split.
        view: the column of the view.
        age: the column of the age.
        sex: the column of the sex.
        site: the column of the site.
        licence: whom it allows to see the images.

    Raises:
        ConfigError: the file does not exist, or the options contradict each other.
        DataError: the file is empty, is not UTF-8 or UTF-16 text, or has an invalid line; or it is unclear what labels mean.
    """
    if source is None:
        raise ConfigError(f"the dataset manifest needs a source: the path of a CSV file with the header {HEADER}")
    file = Path(source).expanduser().absolute()
    if not file.is_file():
        raise ConfigError(f"{source} is not a file: check the path of the manifest")
    names = {
        "path": path,
        "label": label,
        "patient": patient,
        "split": split,
        "view": view,
        "age": age,
        "sex": sex,
        "site": site,
    }
    given = {column: name for column, name in names.items() if name}
    return _list_images(file, _read(file, given), spelled_choice(negative, positive), source, licence)


def _read(file: Path, given: Mapping[str, str]) -> tuple[Table, Columns]:
    names = wanted_names(given)
    table = read_table(file, (names["path"], names["label"]), HEADER)
    columns = find_columns(table, names, given)
    if not table.rows:
        raise DataError(f"{file} has a header but no images: add a line with path and label for each image")
    return table, columns


def _list_images(file: Path, read: tuple[Table, Columns], choice: Choice, source: str, licence: LicenceClass) -> Images:
    table, columns = read
    keys, labels = _keys(table, columns), read_labels(table, columns)
    classes = read_classes(table, labels, choice, source)
    records = list(_records(table, columns, zip(keys, labels, strict=True), classes))
    paths = dict(zip(keys, columns.paths(table), strict=True))
    reader = ManifestReader(folder=file.parent, elsewhere={key: path for key, path in paths.items() if is_absolute(path)})
    place = f"{file.parent}{os.sep}"
    places = ((key, f"{place}{key}" if key.isascii() and key == path else str(reader(key))) for key, path in paths.items())
    return Images(
        name=file.stem,
        records=records,
        read=reader,
        warnings=(
            *left_out(labels, classes),
            *column_warnings(table, columns),
            *_patient_warnings(records),
            *unlisted_images(places),
        ),
        class_names=classes.names,
        licence_class=licence,
    )


def _keys(table: Table, columns: Columns) -> list[str]:
    """Return one key per row; raise DataError if an image is listed twice."""
    texts = columns.paths(table)
    if "" in texts:
        raise DataError(f"{table.where(texts.index(''))}: the path is empty: fill it in or remove the line")
    places = locate(texts, table.file.parent)
    first: dict[str, int] = {}
    for row, place in enumerate(places):
        if first.setdefault(place, row) != row:
            raise DataError(
                f"{table.where(row)}: {texts[row]!r} is already listed at {table.where(first[place])}: keep one of the two"
            )
    return name_places(places, texts)


def _records(table: Table, columns: Columns, listed: Iterable[tuple[str, str]], classes: Classes) -> Iterator[Record]:
    """Yield the records of the rows whose class is read; `listed` are key and label of each row."""
    get = columns.get
    for number, (key, label) in enumerate(listed):
        row = table.rows[number]
        if label.casefold() not in classes.labels:
            continue
        split = get(row, "split").casefold()
        if split not in _SPLITS:
            raise DataError(
                f"{table.where(number)}: split {get(row, 'split')!r} is not valid: write train, val, test or nothing"
            )
        yield Record(
            key=key,
            label=classes.labels[label.casefold()],
            patient=get(row, "patient") or key,
            split=_SPLITS[split],
            view=get(row, "view") or None,
            age=get(row, "age") or None,
            sex=get(row, "sex") or None,
            site=get(row, "site") or None,
            source=get(row, "source") or None,
            columns=tuple((name, row[at]) for name, at in columns.further.items()),
        )


def _patient_warnings(records: Sequence[Record]) -> Iterator[str]:
    if alone := sum(record.patient == record.key for record in records):
        yield (
            f"{alone:,} of {len(records):,} images count as one patient each, because the column patient is empty or missing: "
            "images of one patient may be on both sides of a split"
        )
