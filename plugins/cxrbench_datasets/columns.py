"""Which column of a table holds what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.plugin import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cxrbench_datasets.table import Table

REQUIRED = ("path", "label")
KNOWN = (*REQUIRED, "patient", "split", "view", "age", "sex", "site", "source")
HEADER = "path,label[,patient,split,view,age,sex,site,source,...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of a table.

    Attributes:
        places: position of each known column that the table has.
        further: name and position of the columns that have no meaning of their own, and a name that no other column has.
    """

    places: Mapping[str, int]
    further: Mapping[str, int]

    def get(self, row: Sequence[str], column: str) -> str:
        """Return the value of a known column in a row; empty if the table has none."""
        return row[self.places[column]] if column in self.places else ""

    def paths(self, table: Table) -> list[str]:
        """Return the paths with forward slashes, also if the table was written on Windows."""
        return [self.get(row, "path").replace("\\", "/") for row in table.rows]


def wanted_names(given: Mapping[str, str]) -> dict[str, str]:
    """Return the casefolded name that each known column has in the table; `given` are the other names that the user wrote."""
    names = {column: given.get(column, "").strip().casefold() or column for column in KNOWN}
    spelled = [names[column] for column in KNOWN if column in given or column in REQUIRED]
    if twice := next((name for name in spelled if spelled.count(name) > 1), None):
        raise ConfigError(f"two columns are both to be read from {twice!r}: name another for one of them")
    return names


def find_columns(table: Table, names: Mapping[str, str], given: Mapping[str, str]) -> Columns:
    """Find the columns of a table.

    Args:
        table: the table.
        names: from `wanted_names`.
        given: the names that the user wrote; these columns must be there.

    Raises:
        DataError: a column is missing, or there twice.
    """
    header, where = list(table.header), f"{table.file}, line {table.line}"
    missing = [column for column in KNOWN if names[column] not in header and (column in given or column in REQUIRED)]
    if missing:
        found = ", ".join(map(repr, header))
        example = ",".join(f"{column}=COLUMN" for column in missing)
        raise DataError(
            f"{where}: column {' and '.join(names[column] for column in missing)} is missing (found: {found}). The first line "
            f"must be the header {HEADER}, or say which columns you mean: --data 'manifest:source={table.file.name},{example}'"
        )
    chosen = {names[column] for column in given}
    read = {column: name for column, name in names.items() if name in header and (column in given or name not in chosen)}
    if twice := [name for name in read.values() if header.count(name) > 1]:
        raise DataError(f"{where}: column {twice[0]} appears twice: remove or rename one")
    places = {column: header.index(name) for column, name in read.items()}
    others = [at for at in range(len(header)) if at not in places.values()]
    further = {header[at]: at for at in others if header[at] and header.count(header[at]) == 1}
    return Columns(places=places, further=further)


def column_warnings(table: Table, columns: Columns) -> Iterator[str]:
    """Yield warnings of columns that are not used."""
    known = f"(known: {', '.join(KNOWN)})"
    if columns.further:
        yield f"unknown columns, which only --split left-out:by=COLUMN can use: {', '.join(columns.further)} {known}"
    used = {*columns.places.values(), *columns.further.values()}
    ignored = list(dict.fromkeys(name for at, name in enumerate(table.header) if name and at not in used))
    unnamed = [at for at, name in enumerate(table.header) if not name]
    if any(row[at] for row in table.rows for at in unnamed):
        ignored.append("(without a name)")
    if ignored:
        yield f"ignored columns without a name of their own: {', '.join(ignored)} {known}"
