"""Read a table as people have it: commas, semicolons or tabs, in UTF-8 or UTF-16, as spreadsheets write it."""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from cxrbench.plugin import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

SEPARATORS: Mapping[str, str] = {",": "comma", ";": "semicolon", "\t": "tab"}
SAVE_AS = "save the file as CSV UTF-8"
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
"""What Excel may write before the header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The lines of a file.

    Attributes:
        line: number of the line of the header, from 1.
        header: the names of the columns, casefolded.
        lines: number of the line of each row.
        rows: one value per column, without white space around it.
    """

    file: Path
    line: int
    header: Sequence[str]
    lines: Sequence[int]
    rows: Sequence[Sequence[str]]

    def where(self, row: int) -> str:
        """Return where the row of an index is, for messages."""
        return f"{self.file}, line {self.lines[row]}"


def read_table(file: Path, wanted: Collection[str], expected: str) -> Table:
    """Read a file.

    Args:
        file: the file.
        wanted: columns that must be there; they tell which sign separates the columns.
        expected: the header in words, for messages.

    Raises:
        DataError: the file is empty, is not text in UTF-8 or UTF-16, or has an invalid line.
    """
    text = _read_text(file)
    separator, text = _separator(text, wanted)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    try:
        numbered = [(lines.line_num, cells) for cells in lines if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        problem = f"check the quotes and {SEPARATORS.get(separator, 'separator')}s of this line"
        raise DataError(f"{file}, line {lines.line_num}: {error}: {problem}") from error
    if not numbered:
        raise DataError(f"{file} is empty: the first line must be the header {expected}")
    header = [cell.strip().casefold() for cell in numbered[0][1]]
    rows = [tuple(map(str.strip, cells)) for _, cells in numbered[1:]]
    table = Table(file=file, line=numbered[0][0], header=header, lines=[line for line, _ in numbered[1:]], rows=rows)
    for at, row in enumerate(rows):
        if len(row) != len(header):
            raise _wrong_row(table, at, separator)
    return table


def _wrong_row(table: Table, row: int, separator: str) -> DataError:
    return DataError(
        f"{table.where(row)}: {len(table.rows[row])} values for {len(table.header)} columns: write one value per column, "
        f"which may be empty, and put a value that contains a {SEPARATORS.get(separator, 'separator')} in double quotes"
    )


def _read_text(file: Path) -> str:
    try:
        data = file.read_bytes()
        is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        if error.encoding != "utf-8":
            raise DataError(f"{file} begins like UTF-16 text and is none ({error.reason}): {SAVE_AS}") from error
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{file}, line {line}: byte {data[error.start]:#04x} is not UTF-8: {SAVE_AS}") from error
    if "\0" in text:
        raise DataError(f"{file} has zero bytes and is not UTF-8 text: {SAVE_AS}")
    return text


def _separator(text: str, wanted: Collection[str]) -> tuple[str, str]:
    """Return the sign that separates the columns, and the text without a line that says so."""
    if said := _SEPARATOR_LINE.match(text):
        return said[1], text[said.end() :]
    start = text[: len(text) - len(text.lstrip())] + next((line for line in text.lstrip().splitlines() if line.strip()), "")
    headers = {separator: _header(start, separator) for separator in SEPARATORS}
    return max(SEPARATORS, key=lambda sign: (headers[sign].issuperset(wanted), len(headers[sign]))), text


def _header(start: str, separator: str) -> set[str]:
    try:
        cells = next((cells for cells in islice(csv.reader([start], delimiter=separator), 1)), [])
    except csv.Error:
        return set()
    return {cell.strip().casefold() for cell in cells}
