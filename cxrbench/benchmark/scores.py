"""Join the scores of a head with the images that it scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.evaluation.predictions import Subset


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadScores:
    """The scores of one head and its threshold; the fields are those of `Predictions`."""

    subset: Subset
    fold: int
    seed: int
    threshold: float
    scores: NDArray[np.float64]


def image_predictions(dataset: LoadedDataset, rows: NDArray[np.int64], head: HeadScores) -> Predictions:
    """Return the predictions of a head for images of a dataset, given by their row numbers."""
    records = [dataset.records[row] for row in rows]
    return Predictions(
        subset=head.subset,
        fold=head.fold,
        seed=head.seed,
        keys=np.array([record.key for record in records]),
        patients=np.array([record.patient for record in records]),
        labels=np.array([record.label for record in records], dtype=np.int64),
        scores=head.scores,
        threshold=head.threshold,
    )
