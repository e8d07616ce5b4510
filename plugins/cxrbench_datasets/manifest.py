"""Read images, labels and patients from a CSV file."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cxrbench.plugin import ClassNames, ConfigError, DataError, Images, LicenceClass, Record
from cxrbench_datasets.paths import is_absolute, locate, name_places
from cxrbench_datasets.unlisted import unlisted_images

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CLASS_NAMES = ClassNames(negative="NORMAL", positive="PNEUMONIA")
_LABELS: Mapping[str, Literal[0, 1]] = {"0": 0, "normal": 0, "1": 1, "pneumonia": 1}
_SPLITS: Mapping[str, Literal["train", "val", "test"] | None] = {"": None, "train": "train", "val": "val", "test": "test"}
_REQUIRED = ("path", "label")
_COLUMNS = (*_REQUIRED, "patient", "split", "view", "age", "sex", "site", "source")
_HEADER = "path,label[,patient,split,view,age,sex,site,source,...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestReader:
    """Finds the image of a key: at its path in `elsewhere`, or else relative to the manifest."""

    folder: Path
    elsewhere: Mapping[str, str]

    def __call__(self, key: str) -> Path:
        """Return the path of the image."""
        return self.folder / self.elsewhere.get(key, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    where: str
    cells: Mapping[str, str]

    def get(self, column: str) -> str:
        return self.cells.get(column, "")

    @property
    def path(self) -> str:
        """The path with forward slashes, also if the manifest was written on Windows."""
        return self.get("path").replace("\\", "/")


def claims_manifest(path: str | Path) -> bool:
    """Return whether a path is a .csv file."""
    return Path(path).suffix.lower() == ".csv" and Path(path).is_file()


def load_manifest(source: str | None, *, licence: LicenceClass = "undeclared") -> Images:
    """List the images of a CSV file. Missing files are listed too; the decoder reports them.

    Args:
        source: the path of the CSV file; relative paths in it are relative to its folder.
        licence: whom it allows to see the images.

    Raises:
        ConfigError: the file does not exist.
        DataError: the file is empty, is not UTF-8 text, or has an invalid line.
    """
    if source is None:
        raise ConfigError(f"the dataset manifest needs a source: the path of a CSV file with the header {_HEADER}")
    file = Path(source).expanduser().absolute()
    if not file.is_file():
        raise ConfigError(f"{source} is not a file: check the path of the manifest")
    header, rows = _parse(file, _read_text(file))
    keyed = list(zip(_keys(rows, file.parent), rows, strict=True))
    further = _further_columns(header)
    records = [_record(row, key, further) for key, row in keyed]
    elsewhere = {key: row.path for key, row in keyed if is_absolute(row.path)}
    reader = ManifestReader(folder=file.parent, elsewhere=elsewhere)
    warnings = (*_warnings(header, rows, records), *unlisted_images((key, reader(key)) for key, _ in keyed))
    return Images(
        name=file.stem, records=records, read=reader, warnings=warnings, class_names=CLASS_NAMES, licence_class=licence
    )


def _read_text(file: Path) -> str:
    try:
        data = file.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{file}, line {line}: byte {data[error.start]:#04x} is not UTF-8: save the file as CSV UTF-8"
        ) from error
    if "\0" in text:
        raise DataError(f"{file} has zero bytes and is not UTF-8 text: save the file as CSV UTF-8")
    return text


def _parse(file: Path, text: str) -> tuple[list[str], list[_Row]]:
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        numbered = [(lines.line_num, cells) for cells in lines if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise DataError(f"{file}, line {lines.line_num}: {error}: check the quotes and commas of this line") from error
    if not numbered:
        raise DataError(f"{file} is empty: the first line must be the header {_HEADER}")
    header = [cell.strip().casefold() for cell in numbered[0][1]]
    _check_header(f"{file}, line {numbered[0][0]}", header)
    rows = [_row(f"{file}, line {number}", header, cells) for number, cells in numbered[1:]]
    if not rows:
        raise DataError(f"{file} has a header but no images: add a line with path and label for each image")
    return header, rows


def _check_header(where: str, header: Sequence[str]) -> None:
    if missing := [column for column in _REQUIRED if column not in header]:
        raise DataError(
            f"{where}: column {' and '.join(missing)} is missing (found: {', '.join(map(repr, header))}). The first line must "
            f"be the header {_HEADER}, with commas between the columns"
        )
    if twice := [column for column in _COLUMNS if header.count(column) > 1]:
        raise DataError(f"{where}: column {twice[0]} appears twice: remove or rename one")


def _row(where: str, header: Sequence[str], cells: Sequence[str]) -> _Row:
    if len(cells) != len(header):
        raise DataError(
            f"{where}: {len(cells)} values for {len(header)} columns: write one value per column, which may be empty, and put "
            "a value that contains a comma in double quotes"
        )
    named: dict[str, str] = {}
    for column, cell in zip(header, cells, strict=True):
        named[column] = cell.strip() or named.get(column, "")  # several columns may have no name
    return _Row(where=where, cells=named)


def _keys(rows: Sequence[_Row], folder: Path) -> list[str]:
    """Return one key per row; raise DataError if an image is listed twice."""
    if empty := [row.where for row in rows if not row.path]:
        raise DataError(f"{empty[0]}: the path is empty: fill it in or remove the line")
    texts = [row.path for row in rows]
    places = locate(texts, folder)
    first: dict[str, _Row] = {}
    for row, place in zip(rows, places, strict=True):
        if first.setdefault(place, row) is not row:
            raise DataError(f"{row.where}: {row.path!r} is already listed at {first[place].where}: keep one of the two")
    return name_places(places, texts)


def _further_columns(header: Sequence[str]) -> list[str]:
    """Return the columns that have no meaning of their own, and a name that no other column has."""
    return [column for column in header if column and column not in _COLUMNS and header.count(column) == 1]


def _record(row: _Row, key: str, further: Sequence[str]) -> Record:
    label = _LABELS.get(row.get("label").casefold())
    if label is None:
        raise DataError(f"{row.where}: label {row.get('label')!r} is not valid: write 0 or normal, or 1 or pneumonia")
    if row.get("split").casefold() not in _SPLITS:
        raise DataError(f"{row.where}: split {row.get('split')!r} is not valid: write train, val, test or nothing")
    return Record(
        key=key,
        label=label,
        patient=row.get("patient") or key,
        split=_SPLITS[row.get("split").casefold()],
        view=row.get("view") or None,
        age=row.get("age") or None,
        sex=row.get("sex") or None,
        site=row.get("site") or None,
        source=row.get("source") or None,
        columns=tuple((column, row.get(column)) for column in further),
    )


def _warnings(header: Sequence[str], rows: Sequence[_Row], records: Sequence[Record]) -> Iterator[str]:
    further = _further_columns(header)
    if further:
        named = f"{', '.join(further)} (known: {', '.join(_COLUMNS)})"
        yield f"unknown columns, which only --split left-out:by=COLUMN can use: {named}"
    ignored = [column for column in dict.fromkeys(header) if column and column not in (*_COLUMNS, *further)]
    if "" in header and any(row.get("") for row in rows):
        ignored.append("(without a name)")
    if ignored:
        yield f"ignored columns without a name of their own: {', '.join(ignored)} (known: {', '.join(_COLUMNS)})"
    if alone := sum(record.patient == record.key for record in records):
        yield (
            f"{alone:,} of {len(records):,} images count as one patient each, because the column patient is empty or missing: "
            "images of one patient may be on both sides of a split"
        )
