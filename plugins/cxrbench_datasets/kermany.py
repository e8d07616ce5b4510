"""What the file names of Kermany et al. (Cell 2018, doi 10.1016/j.cell.2018.02.010) tell: the patient, and the collection."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

KERMANY = "kermany"
"""The name of the collection."""
# Kaggle's names (person23_bacteria_77, IM-0115-0001, NORMAL2-IM-0007-0001-0002), then disease-patient-image of the later
# Mendeley release (BACTERIA-1008087-0001); the last value is the prefix of the patient id with `merged`.
_NAMES = (
    (re.compile(r"person(?P<number>[0-9]+)_(?P<kind>bacteria|virus)_[0-9]"), "person"),
    (re.compile(r"(?P<kind>(?:NORMAL2-)?IM)-(?P<number>[0-9]+)-[0-9]"), "IM"),
    (re.compile(r"(?P<kind>NORMAL|BACTERIA|VIRUS)-(?P<number>[0-9]+)-[0-9]"), "patient"),
)


def find_patient(file_name: str, *, merged: bool = False) -> str | None:
    """Return the patient id in a file name, such as ``bacteria-23``, or None for other names.

    Equal numbers of different kinds (bacteria and virus, IM and NORMAL2-IM) are different children: their images are no more
    similar than those of unrelated patients. To be cautious, `merged` treats them as one patient.
    """
    for pattern, counted in _NAMES:
        if match := pattern.match(file_name):
            return f"{counted if merged else match['kind']}-{int(match['number'])}"
    return None


# The names of the files of both releases, by label. Viewers write names such as IM-0001-0001, too: so a folder is taken for the
# collection only if it has every kind of name of one release, and no other name.
_FILES = (
    re.compile(r"((?:NORMAL2-)?IM|NORMAL)-[0-9]+-[0-9]+(?:-[0-9]+)?\.jpeg"),
    re.compile(r"person[0-9]+_(bacteria|virus)_[0-9]+(?:_[0-9]+)?\.jpeg|(BACTERIA|VIRUS)-[0-9]+-[0-9]+\.jpeg"),
)
_RELEASES = {"IM", "NORMAL2-IM", "bacteria", "virus"}, {"NORMAL", "BACTERIA", "VIRUS"}


def is_collection(files: Iterable[tuple[str, int]]) -> bool:
    """Return whether images, given as file name and label, are those of this collection, which is open (CC BY 4.0)."""
    kinds = set[str]()
    for name, label in files:
        match = _FILES[label].fullmatch(name)
        if not match:
            return False
        kinds.update(filter(None, match.groups()))
    return any(kinds == release for release in _RELEASES)
