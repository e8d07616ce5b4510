"""Read the tables of a collection: CSV files as they were published, plain or packed with gzip."""

from __future__ import annotations

import csv
import gzip
import zlib
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, TextIO

from cxrbench.plugin import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

Column = str | tuple[str, ...]
"""The name of a column, or all the names that it had in different releases."""
PACKED = ".gz"


def find_tables(folder: Path, *names: str) -> list[Path]:
    """Return the named tables that a folder has, in this order, each as it is and packed (``.gz``)."""
    candidates = (folder / spelling for name in names for spelling in (name, name + PACKED))
    return [path for path in candidates if path.is_file()]


def require_table(folder: Path, name: str) -> Path:
    """Return a table of a folder, plain or packed; raise DataError if it is not there."""
    if found := find_tables(folder, name):
        return found[0]
    raise DataError(f"{folder} has neither {name} nor {name}{PACKED}: put this table there")


def header_of(path: Path) -> tuple[str, ...]:
    """Return the names of a table's columns; the table may have no more lines. Raise DataError if it cannot be read."""
    with _reading(path) as lines:
        return _header(path, lines)


def read_rows(path: Path, columns: Sequence[Column]) -> Iterator[tuple[str, ...]]:
    """Yield the values of columns, which are found by name, for each line of a table.

    Lines may end with more commas than the header.

    Args:
        path: the table.
        columns: two or more.

    Raises:
        DataError: a column is missing, a line has too few or too many values, or the file cannot be read.
    """
    with _reading(path) as lines:
        header = _header(path, lines)
        reader = csv.reader(lines)
        pick: Callable[[Sequence[str]], tuple[str, ...]] = itemgetter(*(_place(path, header, column) for column in columns))
        width = len(header)
        for cells in reader:
            if len(cells) != width and (len(cells) < width or any(cells[width:])):
                if not cells:
                    continue
                raise DataError(
                    f"{path}, line {reader.line_num + 1}: {len(cells)} values for {width} columns: compare this line with the "
                    "published table"
                )
            yield pick(cells)


def read_words(path: Path) -> list[str]:
    """Return the words of a list, such as one file name a line; raise DataError if it cannot be read."""
    with _reading(path) as lines:
        return lines.read().split()


def _header(path: Path, lines: Iterator[str]) -> tuple[str, ...]:
    """Return the names of the columns, without those at the end that have no name."""
    names = [name.strip() for name in next(csv.reader(lines), [])]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise DataError(f"{path} is empty: the first line must name the columns")
    return tuple(names)


def _place(path: Path, header: Sequence[str], column: Column) -> int:
    names = (column,) if isinstance(column, str) else column
    places = [place for place, name in enumerate(header) if name in names]
    if not places:
        found = ", ".join(map(repr, header))
        raise DataError(f"{path}: column {' or '.join(map(repr, names))} is missing (found: {found})")
    if len(places) > 1:
        raise DataError(f"{path}: column {' or '.join(map(repr, names))} appears {len(places)} times: keep one")
    return places[0]


@contextmanager
def _reading(path: Path) -> Iterator[TextIO]:
    """Open a table; raise DataError for whatever is wrong with the file."""
    try:
        with _opened(path) as file:
            yield file
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.object[error.start]:#04x}): use the published file") from error
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise DataError(f"cannot read {path} ({error}): use the published file") from error


def _opened(path: Path) -> TextIO:
    if path.name.endswith(PACKED):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")
