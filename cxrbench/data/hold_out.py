"""Hold out a share of the images: whole groups, so that both sides are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def groups_in_order(
    labels: NDArray[np.int64], groups: NDArray[np.int64], generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return each row's group from 0, and the groups sorted by share of positives, then size, then at random."""
    group = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    size = np.bincount(group)
    positives = np.bincount(group, weights=labels)
    return group, np.lexsort((generator.random(len(size)), size, positives / np.maximum(size, 1)))


def hold_out(
    rows: NDArray[np.int64], labels: NDArray[np.int64], groups: NDArray[np.int64], *, seed: int, share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the kept and the held-out rows: whole groups, each held out with probability `share`.

    This is systematic sampling (Cochran, Sampling Techniques, 1977, chapter 8): the groups are sorted by share of positives,
    size and a random number, and every (1 / share)-th is taken from a random start. Both sides get similar groups, and each
    group has the same chance, whatever its class and size.
    """
    generator = np.random.default_rng(seed)
    group, order = groups_in_order(labels[rows], groups[rows], generator)
    steps = np.floor((np.arange(len(order) + 1) + generator.random() / share) * share)
    held = np.zeros(len(order), dtype=bool)
    held[order] = np.diff(steps) > 0
    return rows[~held[group]], rows[held[group]]
