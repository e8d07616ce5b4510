"""The result of an entry on one group of images, such as those of one sex or of one site."""

from __future__ import annotations

from cxrbench.config.fields import Count, Line, Name
from cxrbench.leaderboard.store.stored import Intervals, Metrics, Stored


class GroupDifference(Stored):
    """By how much the AUC of a group is higher than that of all test images of the same folds.

    Attributes:
        low, high: ends of its 95 % interval, from the same resampled patients.
        p: two-sided p-value of this group, as if no other were looked at.
    """

    value: float
    low: float
    high: float
    p: float


class GroupResult(Stored):
    """The result of one group.

    Attributes:
        column: whose values make the groups, such as ``sex``.
        group: the value, or the band of ages.
        negative, positive: its test images of each class.
        folds: how many folds test images of both classes; metrics are the mean over these.
        metrics: at the frozen thresholds, folds and seeds combined as for all test images; empty if there are too few images.
        intervals: 95 % intervals of the metrics; empty for a mean over groups that were left out.
        difference: from all test images; None without such intervals.
    """

    column: Name
    group: Line
    negative: Count
    positive: Count
    folds: Count = 1
    metrics: Metrics = {}
    intervals: Intervals = {}
    difference: GroupDifference | None = None

    @property
    def name(self) -> str:
        """Column and group, such as ``sex=F``."""
        return f"{self.column}={self.group}"
