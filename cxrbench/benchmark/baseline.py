"""The majority class as an entry: what calling every image by the commoner class of the training images comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.benchmark.external import keep_external
from cxrbench.benchmark.one_fold import head_result, scored_images
from cxrbench.evaluation.predictions import write_predictions
from cxrbench.leaderboard.store.entry import Entry, FoldResult
from cxrbench.leaderboard.summaries import summarise_under
from cxrbench.storage.files import digest
from cxrbench.storage.versions import all_versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.benchmark.context import Contest
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.evaluation.predictions import Predictions, Subset

NAME = "majority-class"
THRESHOLD = 0.5


def enter_majority(contest: Contest) -> None:
    """Write the entry of the majority class, unless an earlier run did.

    Every image gets the share of pneumonia among the training images as its score, and 0.5 is the threshold: so the commoner
    class is what all are called, and nothing is searched.
    """
    protocol = contest.protocol
    identity = digest([protocol.study_identity, NAME])
    externals = [(one.name, one.dataset.fingerprint) for one in contest.externals]
    if contest.folder.finished(NAME, identity, externals):
        return
    shares = [float(contest.dataset.labels[learning.train].mean()) for learning in contest.folds]
    tested = [
        _scored("test", contest.dataset, contest.test.open(NAME, fold, 0, identity), share, fold)
        for fold, share in enumerate(shares)
    ]
    validated = [
        _scored("validation", contest.dataset, contest.folds[fold].validation, share, fold) for fold, share in enumerate(shares)
    ]
    write_predictions(contest.folder.predictions(NAME), [*validated, *tested])
    contest.folder.add(NAME, _entry(contest, identity, [one.at(THRESHOLD) for one in tested]))
    for external in contest.externals:
        rows = np.arange(len(external.dataset.rows))
        scored = [_scored("external", external.dataset, rows, share, fold) for fold, share in enumerate(shares)]
        thresholds, selections = [THRESHOLD] * len(shares), [identity] * len(shares)
        keep_external(contest, external, (NAME, NAME), scored, thresholds=thresholds, selections=selections)


def _entry(contest: Contest, identity: str, units: list[Predictions]) -> Entry:
    protocol = contest.protocol
    summary = summarise_under(protocol, units)
    return Entry(
        kind="majority",
        protocol=protocol,
        data=contest.data,
        recipe=NAME,
        backbone=NAME,
        augmentation="none",
        imbalance="none",
        control=True,
        study=identity,
        status="complete",
        metrics=summary.metrics,
        intervals=summary.intervals,
        folds=tuple(FoldResult(fold=unit.fold, heads=(head_result(protocol, unit, identity),)) for unit in units),
        versions=all_versions(),
        dataset=contest.facts,
        audit=contest.audit,
        predictions=contest.folder.relative(contest.folder.predictions(NAME)),
        warnings=contest.warnings,
    )


def _scored(part: Subset, dataset: LoadedDataset, rows: NDArray[np.int64], share: float, fold: int) -> Predictions:
    return scored_images(part, dataset, rows, np.full(len(rows), share), fold=fold, seed=0)
