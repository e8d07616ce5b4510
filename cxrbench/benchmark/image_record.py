"""Record which images the models of a run learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.data.audit.label_rates import label_rates
from cxrbench.leaderboard.store.image_record import PARTS, FileRanges, ImageRecord, PartRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.decoding.facts import FileFacts
    from cxrbench.data.split import Split
    from cxrbench.leaderboard.store.image_record import LevelCounts
    from cxrbench.plugin.contracts import Record

SHOWN = ("view", "age", "sex", "site", "source")


def record_images(dataset: LoadedDataset, splits: Sequence[Split]) -> ImageRecord:
    """Return the images of each part of each fold."""
    folds = tuple({part: _part(dataset, getattr(split, part)) for part in PARTS} for split in splits)
    return ImageRecord(fingerprint=dataset.fingerprint, folds=folds)


def _part(dataset: LoadedDataset, rows: NDArray[np.int64]) -> PartRecord:
    records = [dataset.records[row] for row in rows]
    positive = sum(record.label for record in records)
    return PartRecord(
        negative=len(records) - positive,
        positive=positive,
        patients=len({record.patient for record in records}),
        levels=_levels(records),
        files=_ranges([dataset.files[row] for row in rows]),
        digests=tuple(dataset.digests[row] for row in rows),
        pixels=tuple(dataset.files[row].pixels for row in rows),
    )


def _ranges(files: Sequence[FileFacts]) -> FileRanges:
    shapes = [file.width / file.height for file in files]
    return FileRanges(
        aspect=(min(shapes), max(shapes)),
        shortest_side=min(file.shortest_side for file in files),
        colour=any(file.colour for file in files),
        deep=any(file.is_deep for file in files),
    )


def _levels(records: Sequence[Record]) -> LevelCounts:
    levels: LevelCounts = {}
    for rate in label_rates(records):
        if rate.attribute in SHOWN:
            levels.setdefault(rate.attribute, {})[rate.level] = (rate.images - rate.positives, rate.positives)
    return levels
