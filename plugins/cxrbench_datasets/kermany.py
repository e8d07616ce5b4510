"""Patient ids from the file names of Kermany et al. (Cell 2018, doi 10.1016/j.cell.2018.02.010)."""

from __future__ import annotations

import re

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
