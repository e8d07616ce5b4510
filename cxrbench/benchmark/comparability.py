"""Refuse to add rows to a board whose earlier rows are of other images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.errors import ConfigError
from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.leaderboard.store.entry_files import read_placed_entry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.split import Split
    from cxrbench.leaderboard.store.folder import ProtocolFolder


def require_same_parts(store: ProtocolFolder, dataset: LoadedDataset, splits: Sequence[Split]) -> None:
    """Compare the parts of each fold with those of the earlier results of a protocol, if there are any.

    The protocol says how images are divided, but which of them can be read, and which are copies of each other, is known only
    when they are decoded: it may change with an installed decoder or with the version of cxrbench.

    Raises:
        ConfigError: naming a part whose images are others now.
    """
    table = _earlier_table(store)
    parts = {(name, fold): rows for fold, split in enumerate(splits) for name, rows in _scored_parts(split).items()}
    for earlier in read_predictions(table, within=store.path) if table else ():
        now = {dataset.records[row].key for row in parts.get((earlier.subset, earlier.fold), ())}
        if changed := now.symmetric_difference(earlier.keys.tolist()):
            raise ConfigError(
                f"{store.path}: {len(changed):,} images of the {earlier.subset} part are not those of the earlier results, "
                "because other files can be read or count as copies now. Rows of both would not be comparable: add --fresh"
            )


def _scored_parts(split: Split) -> dict[str, NDArray[np.int64]]:
    return {"validation": split.validation, "test": split.test}


def _earlier_table(store: ProtocolFolder) -> Path | None:
    """Return the largest table of predictions; all of a protocol are of the same images."""
    entries = map(read_placed_entry, sorted((store.path / "entries").glob("*.json")))
    tables = [store.path / entry.predictions for entry in entries if entry.predictions]
    there = [table for table in tables if table.is_file()]
    return max(there, key=lambda table: table.stat().st_size, default=None)
