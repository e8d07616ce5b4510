"""Select on versions of the same validation images: as they are and, under ``--select robust``, under development shifts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.evaluation.metrics import metrics, search_metric
from cxrbench.evaluation.threshold import choose_threshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cxrbench.evaluation.predictions import Predictions


def choose_pooled_threshold(
    policy: str, labels: NDArray[np.int64], scores: NDArray[np.float64], patients: NDArray[Any] | None
) -> float:
    """Return the best threshold under a policy for the scores ``[versions, n]`` of all versions together."""
    versions = len(scores)
    return choose_threshold(
        policy, np.tile(labels, versions), scores.ravel(), None if patients is None else np.tile(patients, versions)
    )


def mean_search_metric(name: str, labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float) -> float:
    """Return the mean over versions of a metric of scores ``[versions, n]``."""
    return float(np.mean([search_metric(name, labels, version, threshold) for version in scores]))


def mean_metrics(versions: Sequence[Predictions], prevalence: float) -> dict[str, float]:
    """Return the mean over versions of every metric, each at the chosen threshold."""
    found = [metrics(one.labels, one.scores, one.chosen_threshold, prevalence=prevalence) for one in versions]
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}
