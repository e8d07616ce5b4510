"""A sample of test images, for what is too much work for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.config.seeds import split_seed
from cxrbench.data.hold_out import hold_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cxrbench.data.dataset import LoadedDataset

SAMPLE = 600
"""Test images of all folds together that a sample has, about."""
LEAST_OF_A_CLASS = 30
"""Images of either class that the sample of a fold has, about, if the fold has them."""


def sampled(dataset: LoadedDataset, tests: Sequence[NDArray[np.int64]], seed: int) -> list[NDArray[np.int64]]:
    """Return a sample of each fold's test images: whole patients, with the share of positives of the fold.

    Args:
        dataset: whose images they are.
        tests: rows of the dataset, one array per fold.
        seed: of the protocol.
    """
    share = SAMPLE / sum(map(len, tests))
    return [_sample(dataset, test, split_seed(seed, "shifted", fold), share) for fold, test in enumerate(tests)]


def _sample(dataset: LoadedDataset, test: NDArray[np.int64], seed: int, share: float) -> NDArray[np.int64]:
    labels = dataset.labels
    rarer = max(1, np.bincount(labels[test], minlength=2).min())
    share = max(share, LEAST_OF_A_CLASS / rarer)
    return test if share >= 1 else hold_out(test, labels, dataset.groups, seed=seed, share=share)[1]
