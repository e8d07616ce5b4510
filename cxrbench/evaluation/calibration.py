"""Temperature scaling: divide all logits by one number, so that scores are nearer to probabilities and keep their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logit

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOWEST, HIGHEST = 0.05, 20.0
"""Of a fitted temperature. Where the scores separate the classes, each lower one fits better, so the fit ends at a bound."""
LARGEST_LOGIT = 16.0
"""No temperature below 1 makes a larger logit of a fitted score: close to a score of 1, different scores would become equal."""


def fit_temperature(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Return the temperature with the least cross-entropy of logits / temperature (Guo et al., ICML 2017).

    Scores of 0 and 1 are left out, because no temperature changes them. Equal fits give 1.

    Args:
        labels: int ``[n]``, 1 for the positive class.
        scores: float64 ``[n]`` in 0..1.
    """
    from scipy.optimize import minimize_scalar

    every = logit(scores)
    inside = np.isfinite(every)
    logits, positive = every[inside], labels[inside]

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.sum(np.logaddexp(0, scaled) - positive * scaled))

    lowest = min(max(LOWEST, np.abs(logits).max(initial=0) / LARGEST_LOGIT), 1.0)
    found = minimize_scalar(loss, bounds=(np.log(lowest), np.log(HIGHEST)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0


def at_temperature(scores: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return scores whose logits are divided by a temperature, float64 of any shape. 0 and 1 stay as they are."""
    if temperature == 1:
        return scores
    return np.asarray(expit(logit(scores) / temperature))
