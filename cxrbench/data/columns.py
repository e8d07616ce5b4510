"""What is known of images, by column, and the groups that a column makes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.config.split_name import LEFT_OUT, column_of, left_out_by
from cxrbench.errors import ConfigError, unknown_name
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from cxrbench.plugin.contracts import Images, Record

COLUMNS = ("site", "source", "view", "age", "sex")
"""The columns that every dataset may have."""
MEASURED = ("age", "sex", "view", "site")
"""The columns by whose groups test images are also measured."""
UNKNOWN = "unknown"
"""The group of the images whose value is not known."""
MOST_GROUPS = 20
LONGEST_GROUP = 100
"""Characters of the name of a group by which images are measured."""
AGE_BANDS = (0, 5, 18, 40, 65)
"""First year of each age band."""
_AGE = re.compile(r"0*(?P<number>\d+)(?:\.\d+)?\s*(?P<unit>[DWMY]?)[A-Z]*", re.IGNORECASE)
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12, "Y": 1, "": 1}


def years_of(text: str) -> float | None:
    """Return an age such as ``4``, ``045Y`` or ``006M`` in years, begun ones left out; None for any other text."""
    match = _AGE.fullmatch(text.strip())
    return int(match["number"]) / _PER_YEAR[match["unit"].upper()] if match else None


def age_band(text: str) -> str:
    """Return the age band of an age as `years_of` reads it; return any other text unchanged."""
    years = years_of(text)
    if years is None:
        return text
    begin = max(band for band in AGE_BANDS if band <= years)
    later = [band for band in AGE_BANDS if band > years]
    return f"{begin}-{later[0] - 1}" if later else f"{begin}+"


def groups_by(records: Sequence[Record], column: str) -> list[str]:
    """Return the group of each image by a column; empty where its value is unknown. Ages are taken in bands."""
    return [_group(_values(record), column) for record in records]


def measured_groups(records: Sequence[Record]) -> tuple[dict[str, NDArray[np.str_]], tuple[str, ...]]:
    """Return the groups by which test images are measured, and a warning for each column that makes too many.

    A column that has the same value everywhere, or another one for each image, makes no groups.

    Returns:
        by column, the group of each image, text ``[images]``, `UNKNOWN` where its value is not known; and the warnings.
    """
    groups: dict[str, NDArray[np.str_]] = {}
    warnings = []
    for column in MEASURED:
        texts = [getattr(record, column) or "" for record in records]
        names = {text: _known_group(text, column) for text in set(texts)}  # few, and parsing is slow
        known = set(names.values()) - {UNKNOWN}
        if len(known) < 2 or len(known) == sum(names[text] != UNKNOWN for text in texts):
            continue
        if len(known) > MOST_GROUPS or max(map(len, known)) > LONGEST_GROUP:
            warnings.append(
                f"no metrics by {column}: it makes {len(known):,} groups. There may be {MOST_GROUPS}, with names of at most "
                f"{LONGEST_GROUP} characters"
            )
            continue
        groups[column] = np.array([names[text] for text in texts])
    return groups, tuple(warnings)


def groups_among(values: NDArray[np.str_]) -> list[str]:
    """Return the groups of some images, the unknown one last; none where fewer than two are known."""
    known = sorted_groups([group for group in np.unique(values).tolist() if group != UNKNOWN])
    return [] if len(known) < 2 else [*known, *([UNKNOWN] if (values == UNKNOWN).any() else [])]


def sorted_groups(groups: Iterable[str]) -> list[str]:
    """Return the known groups, sorted by name and numbers in them by value."""
    return sorted(set(groups) - {""}, key=_natural)


def with_columns_of(images: Images, split: str | None) -> Images:
    """Return images whose records have, of the further columns, only the one whose groups the split leaves out.

    The fingerprint covers what records have. So it does not depend on columns that no result depends on.

    Raises:
        ConfigError: no column is given, the images have no such column, or it makes too many groups.
    """
    column = column_of(split or "")
    if column or split == LEFT_OUT:
        _require_groups(images, column)
    return replace(images, records=[_with_column(record, column) if record.columns else record for record in images.records])


def _with_column(record: Record, column: str) -> Record:
    return replace(record, columns=tuple((name, value) for name, value in record.columns if _folded(name) == column))


def _require_groups(images: Images, column: str) -> None:
    counts = _group_counts(images.records)
    described = ", ".join(f"{name} ({count} group{'s' * (count != 1)})" for name, count in counts.items())
    there = f"Columns of {images.name}: {described or 'none. A manifest may have any'}"
    if not column:
        raise ConfigError(
            f"--split {LEFT_OUT}: say by which column, as in --split {left_out_by(next(iter(counts), 'site'))}. {there}"
        )
    if column not in counts:
        unknown = str(unknown_name("column", column, counts))
        raise ConfigError(f"--split {left_out_by(column)}: {unknown}{'' if unknown.endswith('?') else '.'} {there}")
    if counts[column] > MOST_GROUPS:
        raise ConfigError(
            f"--split {left_out_by(column)}: {counts[column]:,} groups; at most {MOST_GROUPS} can be left out, one after the "
            f"other. {there}"
        )


def _group_counts(records: Sequence[Record]) -> dict[str, int]:
    """Return the number of groups that each column makes, for columns with any value."""
    found: dict[str, Counter[str]] = {}
    for values in map(_values, records):
        for column in values:
            found.setdefault(column, Counter())[_group(values, column)] += 1
    order = [name for name in COLUMNS if name in found]
    return {name: len(found[name]) for name in [*order, *(name for name in found if name not in COLUMNS)]}


def _values(record: Record) -> Mapping[str, str]:
    """Return the known values of a record by column; names are compared without case."""
    further = {_folded(name): str(value) for name, value in record.columns}
    values = {**further, **{name: getattr(record, name) or "" for name in COLUMNS}}
    return {name: text for name, value in values.items() if (text := " ".join(value.split()))}


def _group(values: Mapping[str, str], column: str) -> str:
    value = values.get(column, "")
    return as_line(age_band(value) if column == "age" else value)


def _known_group(text: str, column: str) -> str:
    group = _group({column: " ".join(text.split())}, column)
    return UNKNOWN if group.casefold() in {"", UNKNOWN} else group


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _natural(text: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text) if part]
