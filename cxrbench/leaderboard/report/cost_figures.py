"""What accuracy costs: seconds of a row, and parameters of its networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.leaderboard.report.plot import Figure, Label, Mark, NumberTable, axis_around, colour_of, dots_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cxrbench.leaderboard.rows import Row

SHARED = "Each dot is a row, with its number."


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """A cost of a row.

    Attributes:
        key: of the figure.
        title, description: likewise.
        label: of the axis, which is logarithmic.
        value: of a row; None or 0 where it is not known.
        cells: what the table shows of a row, by its headings.
    """

    key: str
    title: str
    description: str
    label: str
    value: Callable[[Row], float | None]
    cells: Callable[[Row], dict[str, str]]


def cost_figures(numbered: Mapping[int, Row]) -> Iterator[Figure]:
    """Yield accuracy against each cost that at least two rows have."""
    for cost in (TIME, PARAMETERS):
        found = {number: row for number, row in numbered.items() if cost.value(row) and "accuracy" in row.entry.metrics}
        if len(found) > 1:
            yield _figure(cost, found)


def _figure(cost: Cost, rows: Mapping[int, Row]) -> Figure:
    costs = {number: cost.value(row) or 0.0 for number, row in rows.items()}
    accuracies = {number: row.entry.metrics["accuracy"] for number, row in rows.items()}
    x = axis_around(cost.label, list(costs.values()), log=True)
    y = axis_around("accuracy", list(accuracies.values()), flipped=True)
    places = {number: (x.place([costs[number]]), y.place([accuracies[number]])) for number in rows}
    cells = {number: {**cost.cells(row), "accuracy": f"{accuracies[number]:.4f}"} for number, row in rows.items()}
    return Figure(
        key=cost.key,
        title=cost.title,
        description=cost.description,
        x=x,
        y=y,
        marks=tuple(
            Mark(path=dots_at(*at), kind="dots", colour=colour_of(number), title=_hover(rows[number], cells[number]))
            for number, at in places.items()
        ),
        labels=tuple(Label(x=int(at[0][0]) + 200, y=int(at[1][0]) - 150, text=str(number)) for number, at in places.items()),
        table=NumberTable(
            caption=cost.title,
            headings=("row", *next(iter(cells.values()))),
            rows=tuple((f"{number}. {row.name}", *cells[number].values()) for number, row in rows.items()),
        ),
    )


def _hover(row: Row, cells: Mapping[str, str]) -> str:
    return f"{row.name}: {', '.join(f'{name} {text}' for name, text in cells.items())}"


def _seconds(row: Row) -> float | None:
    value = row["seconds"]
    return value if isinstance(value, float) else None


def _parameters(row: Row) -> float | None:
    """Return the parameters of backbone and head; None if those of the backbone are not known."""
    counts = row.entry.parameters
    return float(sum(counts.values())) if counts.keys() == {"backbone", "head"} else None


def parameter_cells(row: Row) -> dict[str, str]:
    """Return the number of parameters of each part of a row, as far as they are known."""
    return {f"{part} parameters": f"{count:,}" for part, count in row.entry.parameters.items()}


TIME = Cost(
    key="cost",
    title="Accuracy against time",
    description=f"{SHARED} Rows that share features each count the time they waited for them.",
    label="seconds, from features to test scores",
    value=_seconds,
    cells=lambda row: {"seconds": f"{_seconds(row):g}"},
)
PARAMETERS = Cost(
    key="parameters",
    title="Accuracy against size",
    description=f"{SHARED} Its size is the number of parameters of its backbone, which are frozen unless the row is a "
    "trained network, and of its head; rows whose backbone is no network are left out.",
    label="parameters of backbone and head",
    value=_parameters,
    cells=parameter_cells,
)
