"""Ages in years, from whatever the tables of collections write."""

from __future__ import annotations

import re
from functools import lru_cache

OLDEST = 120
"""Years; a higher age is a mistake of the table: NIH's first table goes up to 414."""
_AGE = re.compile(r"0*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[a-z]*)")
_PER_YEAR = {"y": 1.0, "m": 12.0, "w": 52.18, "d": 365.25, "": 1.0}
_YEAR = re.compile(r"(?P<year>(?:18|19|20)\d\d)")


@lru_cache(maxsize=4096)
def age_in_years(text: str) -> str | None:
    """Return an age in years as text, or None if it is impossible or cannot be read.

    Whole years are written as such (``058Y`` and ``58.0`` are 58), and fractions with at most two digits (``006M`` is 0.5).
    Units are told by their first letter: years, months, weeks, days; without a unit, the number is of years.
    """
    match = _AGE.fullmatch(text.strip().casefold())
    per_year = _PER_YEAR.get(match["unit"][:1]) if match else None
    if match is None or per_year is None:
        return None
    years = float(match["number"]) / per_year
    return f"{years:.2f}".rstrip("0").rstrip(".") if years <= OLDEST else None


def age_between(birth: str, study: str) -> str:
    """Return the years from a year of birth (``1934`` or ``1934.0``) to a date (``20100228``), or an empty string.

    The day of birth is unknown, so the age may be one year too high.
    """
    born, taken = _YEAR.match(birth.strip()), _YEAR.match(study.strip())
    return str(int(taken["year"]) - int(born["year"])) if born and taken else ""
