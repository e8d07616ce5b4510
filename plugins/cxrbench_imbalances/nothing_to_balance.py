"""Say why there is nothing to balance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTHING = "nothing was balanced"


def why_nothing(labels: NDArray[np.int64]) -> str:
    """Return why labels, int ``[n]`` of 0 and 1, need no balancing, or an empty string."""
    negative, positive = np.bincount(labels, minlength=2).tolist()
    if negative == positive:
        return f"both classes have {negative} training rows: {NOTHING}"
    if not min(negative, positive):
        return f"one class has no training rows: {NOTHING}"
    return ""
