"""Write the images, labels and patients of any dataset as a CSV file, which the dataset `manifest` reads."""

from __future__ import annotations

import csv
import io
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from cxrbench.data.decoding.image_bytes import reading_failure
from cxrbench.errors import ConfigError, DataError
from cxrbench.plugin.contracts import ClassNames
from cxrbench.storage.safe_text import as_line, is_unicode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.plugin.contracts import Images, Record

COLUMNS = ("path", "label", "patient", "split", "view", "age", "sex", "site", "source")
NUMBERS = ClassNames(negative="0", positive="1")
WORDS_FOR_NUMBERS = re.compile(r"[+-]?[0-9.,]+|true|false", re.IGNORECASE)
UNSAFE = re.compile(r"[^\w .+()-]+|^\.+|[. ]+$")
"""What a part of a key must not have to be the name of a file on every system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A dataset as a table.

    Attributes:
        header: names of the columns.
        rows: one per image, in the order of the dataset.
        labels: the words of the two classes in the table.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    labels: ClassNames

    def text(self) -> str:
        """Return the table as CSV, with a byte order mark if it has letters that spreadsheets misread without one."""
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows(self.rows)
        text = stream.getvalue()
        return text if text.isascii() else f"\ufeff{text}"


def convert(images: Images, folder: Path, place_of: Callable[[Record], Path]) -> Conversion:
    """Return a dataset as a table. The collection that all images are from is the source of those that name none.

    Args:
        images: the dataset.
        folder: of the table; paths are relative to it where that is possible.
        place_of: returns the file of an image.

    Raises:
        DataError: the path of an image cannot be written in a table.
    """
    further = list(dict.fromkeys(name for record in images.records for name, _ in record.columns))
    labels = _label_words(images.class_names)
    base = folder.resolve()
    whole = (replace(record, source=record.source or images.collection or None) for record in images.records)
    rows = [_row(record, _written(place_of(record), base, record), labels, further) for record in whole]
    used = [at for at, name in enumerate(COLUMNS) if name in COLUMNS[:3] or any(row[at] for row in rows)]
    kept = [*used, *range(len(COLUMNS), len(COLUMNS) + len(further))]
    header = [*COLUMNS, *(f"other {name}" if name.strip().casefold() in COLUMNS else name for name in further)]
    return Conversion(header=[header[at] for at in kept], rows=[[row[at] for at in kept] for row in rows], labels=labels)


def file_of(images: Images, record: Record) -> Path:
    """Return the file of an image; raise ConfigError if it is not a file."""
    found = _read(images, record)
    if isinstance(found, Path):
        return found
    raise ConfigError(f"the images of {images.name} are not files of their own: add --images FOLDER, where they are written")


def write_images(images: Images, folder: Path, on_image: Callable[[], None]) -> Mapping[str, str]:
    """Write all images to a folder: pixels as PNG, encoded images with the bytes that they have.

    Args:
        images: the dataset.
        folder: an empty folder.
        on_image: called after each image.

    Returns:
        The name of the file of each key.

    Raises:
        ConfigError: the images are files already.
        DataError: an image cannot be read.
    """
    names = _file_names(images.records)
    for record in images.records:
        found = _read(images, record)
        if isinstance(found, Path):
            raise ConfigError(f"the images of {images.name} are files already: leave --images out")
        if not isinstance(found, bytes):
            names[record.key] += ".png"
        path = folder / names[record.key]
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(found, bytes):
            path.write_bytes(found)
        else:
            Image.fromarray(found).save(path, "PNG")
        on_image()
    return names


def _file_names(records: Sequence[Record]) -> dict[str, str]:
    """Return a distinct name for each key: the key itself where every system takes it for the name of a file."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for number, record in enumerate(records):
        parts = [UNSAFE.sub("-", part) for part in record.key.split("/") if part.strip(". ")]
        name = "/".join(parts) or str(number)
        if name.casefold() in taken:
            name = f"{number}-{parts[-1] if parts else ''}"
        taken.add(name.casefold())
        names[record.key] = name
    return names


def _read(images: Images, record: Record) -> Path | bytes | NDArray[np.uint8]:
    try:
        return images.read(record.key)
    except Exception as error:  # a plugin's reader may raise anything
        raise DataError(f"{as_line(record.key)} {reading_failure(error)}: it cannot be converted") from None


def _label_words(names: ClassNames) -> ClassNames:
    """Return the names of the classes, or 0 and 1 where a table of them would be misread without options."""
    usual = ClassNames()
    words = names.negative.strip().casefold(), names.positive.strip().casefold()
    are_swapped = words[0] == usual.positive.casefold() or words[1] == usual.negative.casefold()
    are_numbers = any(WORDS_FOR_NUMBERS.fullmatch(word) for word in words)
    return NUMBERS if names == usual or are_swapped or are_numbers or not all(words) else names


def _row(record: Record, path: str, labels: ClassNames, further: Sequence[str]) -> list[str]:
    patient = "" if record.patient == record.key else record.patient
    values = record.split, record.view, record.age, record.sex, record.site, record.source
    columns = dict(record.columns)
    label = labels.positive if record.label else labels.negative
    return [path, label, patient, *(value or "" for value in values), *(columns.get(name, "") for name in further)]


def _written(path: Path, base: Path, record: Record) -> str:
    """Return a path relative to the folder of the table; absolute on another drive."""
    place = path.parent.resolve() / path.name
    try:
        text = Path(os.path.relpath(place, base)).as_posix()
    except ValueError:
        text = place.as_posix()
    if not is_unicode(text) or "\\" in text or text != text.strip():
        raise DataError(f"the path of {as_line(record.key)} cannot be written in a table: rename the file or its folder")
    return text
