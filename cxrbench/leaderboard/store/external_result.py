"""The result of an entry on an external test set: the record that one JSON file holds."""

from __future__ import annotations

from typing import Literal

from cxrbench.config.fields import Count, Hash, Line, Name, RecipeName
from cxrbench.config.values import ExternalName
from cxrbench.leaderboard.store.entry import ClassLabels
from cxrbench.leaderboard.store.stored import Intervals, Metrics, Stored


class ExternalResult(Stored):
    """The result of an entry's frozen heads on an external test set.

    Attributes:
        selections: hashes of the heads' selections; other hashes mean other heads.
        metrics, intervals: mean over the heads, each at its own threshold.
    """

    schema_version: Literal[2] = 2
    name: ExternalName
    dataset: Line
    fingerprint: Hash
    class_names: ClassLabels = ClassLabels()
    negative: Count
    positive: Count
    recipe: RecipeName
    selections: tuple[Name, ...]
    metrics: Metrics
    intervals: Intervals
