"""One row of the leaderboard: an entry, how it stands, and its results on external test sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cxrbench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cxrbench.evaluation.ranking import Rank, Standing
    from cxrbench.leaderboard.row_model import RowModel
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.leaderboard.store.external_result import ExternalResult
    from cxrbench.leaderboard.store.group_result import GroupResult
    from cxrbench.leaderboard.store.shift_result import ShiftResult, ShiftScore
    from cxrbench.leaderboard.worst_group import WorstGroup

Cell = str | int | float | bool | None | list[str]
"""A value in CSV and JSON."""
Estimate = tuple[float | None, float | None, float | None]
"""A value and the two ends of its 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Row:
    """One entry of a ranked board. ``row["auc"]`` is the value of a column; `cxrbench.leaderboard.columns` defines them.

    Attributes:
        board: name of the board.
        entry: the result.
        standing: its rank and how certain that is.
        external: its result on each external test set, by name; None where it has none.
        shifts: its result on shifted test images; None where it has none.
        shifted_ranks: its ranks by what shifts leave, by column.
        groups: its result on each group of test images: of those that were left out, by group, and of others by names such as
            ``sex=F``.
        worst_group: the group with the lowest AUC; None without groups to compare.
        values: of all columns, by key, as CSV and JSON hold them.
        load: loads the model of the row; None for a board whose models cannot be loaded.
    """

    board: str
    entry: Entry
    standing: Standing
    external: Mapping[str, ExternalResult | None]
    shifts: ShiftResult | None = None
    shifted_ranks: Mapping[str, Rank] = field(default_factory=dict)
    groups: Mapping[str, GroupResult] = field(default_factory=dict)
    worst_group: WorstGroup | None = None
    values: Mapping[str, Cell] = field(default_factory=dict)
    load: Callable[..., RowModel] | None = field(default=None, compare=False)

    def __getitem__(self, key: str) -> Cell:
        return self.values[key]

    def __repr__(self) -> str:
        metric = self.entry.protocol.metric
        value = self.entry.metrics.get(metric)
        shown = "" if value is None else f", {metric}={value:.3f}"
        return f"Row(rank={self.rank}, recipe={self.name!r}, status={self.entry.status!r}{shown})"

    @property
    def recipe(self) -> str:
        """The name of the recipe."""
        return self.entry.recipe

    @property
    def name(self) -> str:
        """The name of the recipe, and of the stage if more than a head was trained."""
        return self.entry.name

    @property
    def rank(self) -> int | None:
        """The rank, from 1; None for an entry that is not complete."""
        return self.standing.rank

    @property
    def is_complete(self) -> bool:
        """Whether the entry has a result."""
        return self.entry.status == "complete"

    @property
    def is_among_best(self) -> bool:
        """Whether it is the first row of the ranking, or not told apart from it."""
        return self.rank == 1 or bool(self.standing.tied)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must be read with the numbers."""
        return (*self.entry.warnings, *self.standing.remarks)

    def shifted(self, name: str) -> Estimate:
        """Return the mean of a metric over the standard shifts."""
        return _of(self.shifts, name)

    def under_shift(self, shift: str, name: str) -> Estimate:
        """Return a metric under one shift."""
        return _of(self.shifts.by_name.get(shift) if self.shifts else None, name)

    def in_group(self, group: str, name: str) -> Estimate:
        """Return a metric of one group of `groups`."""
        return _of(self.groups.get(group), name)

    def model(self, **options: Any) -> RowModel:
        """Load the model of this row, to score images with it.

        Args:
            options: as of `cxrbench.load_model`: `fold`, `seed`, `all_folds`, `files`, `trust_code`.

        Raises:
            CxrbenchError: the row has no model, or something that it needs is missing; the message says what to do.
        """
        if self.load is None:
            raise ConfigError(f"{self.name}: a board that was made in memory has no models. Use cxrbench.load_board")
        return self.load(**options)

    def estimate(self, name: str, test_set: str = "") -> Estimate:
        """Return a metric of the test images, or of an external test set."""
        return _of(self.external[test_set] if test_set else self.entry, name)


def _of(result: Entry | GroupResult | ExternalResult | ShiftResult | ShiftScore | None, name: str) -> Estimate:
    if result is None:
        return None, None, None
    low, high = result.intervals.get(name, (None, None))
    return result.metrics.get(name), low, high
