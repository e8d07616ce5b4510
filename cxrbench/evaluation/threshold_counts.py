"""True and false positives at many thresholds: diagnostics, with which no threshold may be chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cxrbench.evaluation.predictions import Predictions

THRESHOLDS = np.arange(1001) / 1000


def threshold_counts(predictions: Sequence[Predictions]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the true and the false positives of all heads together at each of `THRESHOLDS`; both fall.

    A score at or above a threshold is a positive call.
    """
    tp, fp = (sum(_at_or_above(head.scores[head.labels == label]) for head in predictions) for label in (1, 0))
    return np.asarray(tp), np.asarray(fp)


def _at_or_above(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.asarray(len(scores) - np.searchsorted(np.sort(scores), THRESHOLDS, side="left"), dtype=np.int64)
