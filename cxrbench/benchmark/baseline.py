"""The baseline: assign every image to the more frequent class of the training images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.benchmark.entries import EntrySubject, Result, build_entry, head_result
from cxrbench.benchmark.external import write_external
from cxrbench.benchmark.plan import BASELINE
from cxrbench.benchmark.scores import image_predictions
from cxrbench.evaluation.prediction_table import write_predictions
from cxrbench.leaderboard.store.entry import FoldResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.benchmark.context import RunContext
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.evaluation.predictions import Predictions, Subset

BASELINE_THRESHOLD = 0.5
SUBJECT = EntrySubject(kind="baseline", recipe=BASELINE, backbone=BASELINE, augmentation="none", imbalance="none", control=True)


def add_baseline(run: RunContext) -> None:
    """Write the entry of the baseline, unless an earlier run did.

    The score of every image is the share of positive training images, and the threshold is 0.5. Nothing is searched.
    """
    identity, labels = run.plan.baseline_identity, run.dataset.labels
    if run.store.is_finished(BASELINE, identity, run.plan.externals):
        return
    shares = [float(labels[images.train].mean()) for images in run.splits]
    tested = [
        _constant(run.dataset, run.test.open(BASELINE, fold, 0, identity), share, ("test", fold, 0))
        for fold, share in enumerate(shares)
    ]
    validated = [
        _constant(run.dataset, run.splits[fold].validation, share, ("validation", fold, 0)) for fold, share in enumerate(shares)
    ]
    write_predictions(run.store.predictions(BASELINE), [*validated, *tested])
    folds = tuple(FoldResult(fold=one.fold, heads=(head_result(run.protocol, one, identity),)) for one in tested)
    run.store.add(BASELINE, build_entry(run.facts, SUBJECT, Result(identity=identity, tested=tested, folds=folds)))
    for test_set in run.externals:
        rows = np.arange(len(test_set.dataset.rows))
        scored = [_constant(test_set.dataset, rows, share, ("external", fold, 0)) for fold, share in enumerate(shares)]
        write_external(run, test_set, BASELINE, [(identity, one) for one in scored])


def _constant(dataset: LoadedDataset, rows: NDArray[np.int64], share: float, place: tuple[Subset, int, int]) -> Predictions:
    """Return the same score for all images; `place` is the subset, the fold and the seed."""
    return image_predictions(dataset, rows, np.full(len(rows), share), place, BASELINE_THRESHOLD)
