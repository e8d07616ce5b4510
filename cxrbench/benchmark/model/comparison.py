"""What the leaderboard says about a model besides its own numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.leaderboard.board import read_board
from cxrbench.leaderboard.standings import is_shortcut
from cxrbench.leaderboard.store.model_record import Estimates

if TYPE_CHECKING:
    from pathlib import Path

    from cxrbench.leaderboard.store.model_record import ModelRecord


def with_comparison(record: ModelRecord, entry: Path) -> ModelRecord:
    """Return the record of a model with the controls, external results and warnings of its leaderboard.

    Args:
        record: of the model.
        entry: file of its entry, in the folder of its leaderboard.

    Raises:
        CxrbenchError: a file of the leaderboard is invalid.
    """
    rows = read_board(entry.resolve().parent.parent).rows()
    own = next(row for row in rows if row.name == record.name)
    controls = [row for row in rows if row.entry.control and row.is_complete and row is not own]
    shortcuts = (f"{row.name}: {remark}" for row in controls if is_shortcut(row.entry) for remark in row.standing.remarks)
    return record.model_copy(
        update={
            "controls": {row.name: Estimates(metrics=row.entry.metrics, intervals=row.entry.intervals) for row in controls},
            "external": {name: result for name, result in own.external.items() if result},
            "warnings": (*own.warnings, *shortcuts),
        }
    )
