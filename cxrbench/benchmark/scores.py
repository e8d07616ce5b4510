"""Join the scores of a head with the images that it scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.evaluation.predictions import Subset


def image_predictions(
    dataset: LoadedDataset,
    rows: NDArray[np.int64],
    scores: NDArray[np.float64],
    place: tuple[Subset, int, int],
    threshold: float,
) -> Predictions:
    """Return the predictions of a head for images of a dataset, given by their row numbers; `place`: subset, fold and seed."""
    subset, fold, seed = place
    records = [dataset.records[row] for row in rows]
    return Predictions(
        subset=subset,
        fold=fold,
        seed=seed,
        keys=np.array([record.key for record in records]),
        patients=np.array([record.patient for record in records]),
        labels=np.array([record.label for record in records], dtype=np.int64),
        scores=scores,
        threshold=threshold,
        groups={column: groups[rows] for column, groups in dataset.measured_groups.items()},
    )
