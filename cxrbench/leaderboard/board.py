"""The board: all entries of one protocol, ranked. A pure function of the entries."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from cxrbench.config import Protocol
from cxrbench.errors import ConfigError, CxrbenchError
from cxrbench.evaluation.metrics import SORTABLE
from cxrbench.leaderboard.entry import Entry, read_entry

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One protocol's entries, the best first."""

    protocol: Protocol
    entries: tuple[Entry, ...]

    def rows(self, sort: str = "") -> list[dict[str, Any]]:
        """Return a row per entry, ranked by the test value of `sort`, or of the metric that the search maximised.

        Equal values share a rank; entries that are not complete have none and come last.
        """
        metric = sort or self.protocol.metric
        ordered = sorted(self.entries, key=lambda entry: _order(entry, metric))
        values = [entry.metrics.get(metric) for entry in ordered]
        return [
            _row(self.protocol, entry, None if value is None else values.index(value) + 1)
            for entry, value in zip(ordered, values, strict=True)
        ]


def _order(entry: Entry, metric: str) -> tuple[float, str]:
    return (-entry.metrics[metric] if entry.status == "complete" else 1.0, entry.recipe)


def _row(protocol: Protocol, entry: Entry, rank: int | None) -> dict[str, Any]:
    return {
        "protocol": entry.protocol,
        "rank": rank,
        "recipe": entry.recipe,
        "backbone": entry.backbone,
        "augmentation": entry.augmentation,
        "imbalance": entry.imbalance,
        "control": entry.control,
        "status": entry.status,
        **{metric: entry.metrics.get(metric) for metric in SORTABLE},
        "threshold": entry.threshold,
        "trials": sum(entry.trials.values()),
        "trials_pruned": entry.trials.get("pruned", 0),
        "trials_failed": entry.trials.get("failed", 0),
        "validation": entry.validation.get(entry.selected_by),
        "learning_rate": entry.params.get("learning_rate"),
        "dropout": entry.params.get("dropout"),
        "seconds": round(sum(entry.seconds.values()), 2),
        "reason": entry.reason,
        "notice": protocol.notice,
    }


def read_board(folder: Path) -> Board:
    """Read one protocol's folder."""
    try:
        protocol = Protocol.model_validate_json((folder / "protocol.json").read_bytes())
    except ValidationError as error:
        raise CxrbenchError(f"{folder / 'protocol.json'} is no protocol of this version: {error.errors()[0]['msg']}") from None
    entries = [read_entry(path) for path in sorted((folder / "entries").glob("*.json"))]
    return Board(protocol=protocol, entries=tuple(entries))


def read_boards(out: Path) -> list[Board]:
    """Read every protocol's folder below `out`; raise ConfigError if there is none."""
    folders = sorted(path.parent for path in out.glob("*/protocol.json"))
    if not folders:
        raise ConfigError(f"--out {out}: no leaderboard here; make one with: cxrbench run --out {out}")
    return [read_board(folder) for folder in folders]


def rows_as_json(boards: list[Board], sort: str = "") -> str:
    """Return the rows of all boards as one JSON list."""
    return json.dumps([row for board in boards for row in board.rows(sort)], indent=2, ensure_ascii=False, allow_nan=False)
