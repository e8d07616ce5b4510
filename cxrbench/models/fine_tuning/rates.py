"""The learning rate of every step: a short warm-up, then half a cosine to zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WARM_UP = 0.1
"""Share of all steps in which the learning rate rises."""


def learning_rates(highest: float, steps: int) -> NDArray[np.float32]:
    """Return the learning rate of each step, float32 ``[steps]``.

    It rises in a straight line to `highest` and falls along a cosine (Loshchilov and Hutter, ICLR 2017, without restarts).
    """
    rising = max(1, round(WARM_UP * steps))
    falling = np.arange(steps - rising) / max(1, steps - rising)
    shares = np.concatenate([np.arange(1, rising + 1) / rising, (1 + np.cos(np.pi * falling)) / 2])
    return np.asarray(highest * shares, dtype=np.float32)
