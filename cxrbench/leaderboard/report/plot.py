"""Figures as the templates draw them: paths and ticks in whole units of an SVG, and the numbers as a table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    from numpy.typing import ArrayLike, NDArray

    Units: TypeAlias = NDArray[np.int64]

SIDE = 10_000
"""Units of the longer side of a figure: a curve keeps four decimals."""
COLOURS = 8
"""Colours of rows in page.css; further rows have the same ones, dashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A tick of an axis: where it is, in units, and its text."""

    at: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """An axis from 0 to `length` units, for values from `low` to `high`.

    Attributes:
        flipped: whether values rise as units fall, as on the vertical axis of an SVG.
        log: whether it is logarithmic.
    """

    label: str
    low: float = 0.0
    high: float = 1.0
    length: int = SIDE
    flipped: bool = False
    log: bool = False

    def place(self, values: ArrayLike) -> Units:
        """Return values in units; those beyond an end are at the end."""
        low, high, found = (self._scaled(np.asarray(one, dtype=float)) for one in (self.low, self.high, values))
        share = np.clip((found - low) / (high - low if high > low else 1.0), 0, 1)
        return np.rint((1 - share if self.flipped else share) * self.length).astype(np.int64)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """The ticks: powers of ten on a logarithmic axis, else, or where these are less than two, steps of 1, 2 or 5."""
        values = list(_decades(self.low, self.high)) if self.log else []
        if len(values) < 2:
            values = list(_steps(self.low, self.high))
        return tuple(Tick(at=int(at), text=_short(value)) for at, value in zip(self.place(values), values, strict=True))

    def _scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log10(np.maximum(values, 1e-12)) if self.log else values


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A line, an area or dots.

    Attributes:
        path: of an SVG.
        kind: its class in page.css: ``line``, ``dots``, ``area`` or ``whisker``.
        colour: its second class, as by `colour_of`, or another word of page.css.
        row: the number of the row that it belongs to; 0 for none.
        title: what it is.
    """

    path: str
    kind: str
    colour: str
    row: int = 0
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A short text inside a figure."""

    x: int
    y: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberTable:
    """A table of texts: the first column names its rows."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure and its numbers.

    Attributes:
        key: unique on the page.
        title: one line.
        description: what it shows and how to read it.
    """

    key: str
    title: str
    description: str
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    table: NumberTable
    labels: tuple[Label, ...] = ()


def colour_of(row: int) -> str:
    """Return the class of the colour of a row, by its number from 1."""
    place = row - 1
    return f"c{place % COLOURS}{' dashed' if place // COLOURS % 2 else ''}"


def line_through(x: Units, y: Units) -> str:
    """Return the path of a line through points."""
    steps = zip(np.diff(x).tolist(), np.diff(y).tolist(), strict=True)
    moves = [f"{dx}{dy}" if dy < 0 else f"{dx} {dy}" for dx, dy in steps if dx or dy]
    return f"M{x[0]} {y[0]}" + (f"l{' '.join(moves)}" if moves else "")


def area_between(x: Units, low: Units, high: Units) -> str:
    """Return the path of the area between two lines over the same x."""
    return f"{line_through(np.append(x, x[::-1]), np.append(high, low[::-1]))}z"


def dots_at(x: Units, y: Units) -> str:
    """Return the path of dots: lines of no length, which have round ends."""
    return "".join(f"M{one} {other}h0" for one, other in zip(x.tolist(), y.tolist(), strict=True))


def uprights(x: Units, low: Units, high: Units) -> str:
    """Return the path of a vertical line at each x."""
    return "".join(f"M{at} {one}V{other}" for at, one, other in zip(x.tolist(), low.tolist(), high.tolist(), strict=True))


def axis_around(label: str, values: Sequence[float], *, log: bool = False, flipped: bool = False, length: int = SIDE) -> Axis:
    """Return an axis that shows all values, with a little room beside them."""
    low, high = min(values), max(values)
    if log:
        low, high = max(low, 1e-12) / 1.3, max(high, 1e-12) * 1.3
    else:
        room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
        low, high = low - room, high + room
    return Axis(label=label, low=low, high=high, length=length, flipped=flipped, log=log)


def _short(value: float) -> str:
    """Return a number in few characters, as in ``0.25``, ``200``, ``30k`` or ``1.5M``."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= 10_000 and value >= size:
            return f"{value / size:.6g}{unit}"
    return f"{value:.6g}"


def _steps(low: float, high: float) -> Iterator[float]:
    """Yield about six round numbers from `low` to `high`."""
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    step = next(power * one for one in (1, 2, 5, 10) if power * one >= rough * 0.999)
    for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        yield number * step


def _decades(low: float, high: float) -> Iterator[float]:
    """Yield the powers of ten from `low` to `high`; 2 and 5 times of them, too, if they are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if len(powers) > 4 else (1, 2, 5)
    yield from (factor * 10.0**power for power in powers for factor in factors if low <= factor * 10.0**power <= high)
