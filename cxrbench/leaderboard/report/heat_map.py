"""The AUC of each row under each shift, coloured by what the shift costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cxrbench.leaderboard.rows import Row

STEP = 0.02
"""AUC of one step of colour."""
LAST = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatCell:
    """A value and its colour, from 0 (nothing lost) to 9; -1 for none."""

    text: str
    heat: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """A table: a row per row of the board, a column per shift."""

    shifts: tuple[str, ...]
    rows: tuple[tuple[int, str, tuple[HeatCell, ...]], ...]


def heat_map(numbered: Mapping[int, Row]) -> HeatMap | None:
    """Return the heat map of the rows that were scored under shifts; None if there is none."""
    scored = {number: row for number, row in numbered.items() if row.shifts}
    shifts = tuple(dict.fromkeys(score.name for row in scored.values() if row.shifts for score in row.shifts.scores))
    if not shifts:
        return None
    return HeatMap(
        shifts=shifts,
        rows=tuple((number, row.name, tuple(_cell(row, shift) for shift in ("", *shifts))) for number, row in scored.items()),
    )


def _cell(row: Row, shift: str) -> HeatCell:
    unchanged, value = row.estimate("auc")[0], (row.under_shift(shift, "auc") if shift else row.estimate("auc"))[0]
    if value is None or unchanged is None:
        return HeatCell(text="-", heat=-1)
    return HeatCell(text=f"{value:.3f}", heat=max(0, min(LAST, int((unchanged - value) / STEP))))
