"""Rank intervals: the ranks that an entry may have, given its significant differences from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from cxrbench.evaluation.intervals import variance_over_folds
from cxrbench.evaluation.paired_tests import ROUNDING_ERROR, holm

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Ranks: TypeAlias = NDArray[np.int64]

SIGNIFICANCE = 0.05


def rank_intervals(values: Floats, variances: Floats) -> tuple[Ranks, Ranks]:
    """Return the best and the worst rank in the 95 % interval of each entry, each ``[entries]``.

    The best rank is 1 + the entries that are significantly better. The worst is the number of entries less those that are
    significantly worse (Mogstad, Romano, Shaikh and Wilhelm, Review of Economic Studies 2024). An entry is compared with all
    others by z-tests that Holm corrects together, so the interval contains all ranks that truly equal entries share.

    Args:
        values: float ``[entries]``, higher is better; equal values are ties.
        variances: of the differences between entries, float ``[entries, entries]``.
    """
    best, worst = np.ones(len(values), dtype=np.int64), np.full(len(values), len(values), dtype=np.int64)
    for row, value in enumerate(values):
        differences = np.delete(values - value, row)
        p_values = _p_values(differences, np.sqrt(np.delete(variances[row], row)))
        significant = np.array(holm(p_values.tolist())) < SIGNIFICANCE
        best[row] += np.sum(significant & (differences > 0))
        worst[row] -= np.sum(significant & (differences < 0))
    return best, worst


def difference_variances(draws: Floats, fold_values: Floats) -> Floats:
    """Return the variance of the difference between each two entries, ``[entries, entries]``.

    Args:
        draws: float ``[entries, draws]``, values on the same resampled patients.
        fold_values: float ``[entries, folds]``.
    """
    rows = [np.var(draws - own, axis=1, ddof=1) for own in draws]
    return variance_over_folds(np.array(rows), fold_values[:, None] - fold_values)


def _p_values(differences: Floats, errors: Floats) -> Floats:
    """Return two-sided p-values; without an error, 0 for any difference and 1 for none."""
    certain = np.where(np.abs(differences) > ROUNDING_ERROR, np.inf, 0.0)
    z = np.divide(np.abs(differences), errors, out=certain, where=errors > ROUNDING_ERROR)
    p_values: Floats = 2 * ndtr(-z)
    return p_values
