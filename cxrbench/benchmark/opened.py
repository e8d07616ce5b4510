"""The studies of a recipe at a stage, ready to be searched, and what its models see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxrbench.benchmark.studies import FoldStudy
    from cxrbench.models.features.feature_source import FeatureSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What `run_recipe` searches.

    Attributes:
        source: what the models score: features for heads, images for networks.
        studies: of each fold.
        seconds: that the extraction of the features took.
    """

    source: FeatureSource
    studies: list[FoldStudy]
    seconds: float = 0.0
