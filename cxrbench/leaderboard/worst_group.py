"""The group of test images that an entry does worst on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.data.columns import UNKNOWN
from cxrbench.evaluation.paired_tests import holm

if TYPE_CHECKING:
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.leaderboard.store.group_result import GroupDifference, GroupResult

LOWEST = "auc"
"""The metric whose lowest value is the worst: it depends on no threshold."""
BY_CHANCE = "the lowest of many groups is low by chance, too"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstGroup:
    """The group with the lowest AUC.

    Attributes:
        name: of the group.
        result: of the group.
        compared: how many groups it is the lowest of.
        of_all: what it is compared with, in words.
        p: p-value of its difference from all test images, corrected for their number by Holm; None without such differences.
    """

    name: str
    result: GroupResult
    compared: int
    of_all: str
    p: float | None

    @property
    def difference(self) -> GroupDifference | None:
        """Its AUC less that of all test images; None if there is no interval."""
        return self.result.difference


def worst_group(entry: Entry) -> WorstGroup | None:
    """Return the group of an entry with the lowest AUC, among equals the first.

    The images whose value is not known are not compared. None if fewer than two groups were measured, or if all of them have
    the same AUC.
    """
    groups = {name: one for name, one in entry.by_group.items() if one.group != UNKNOWN}
    measured = {name: one for name, one in groups.items() if LOWEST in one.metrics}
    values = {name: one.metrics[LOWEST] for name, one in measured.items()}
    if len(set(values.values())) < 2:
        return None
    name = min(values, key=lambda one: values[one])
    tested = {name: one.difference.p for name, one in measured.items() if one.difference}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    in_all_folds = measured[name].folds == entry.protocol.folds
    return WorstGroup(
        name=name,
        result=measured[name],
        compared=len(measured),
        of_all="all test images" if in_all_folds else "all test images of the folds that it is in",
        p=corrected.get(name),
    )
