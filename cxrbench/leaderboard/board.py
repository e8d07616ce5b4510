"""The board: all entries of one protocol, ranked. A pure function of the entries and of their stored predictions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cxrbench.errors import ConfigError, CxrbenchError
from cxrbench.evaluation.metrics import metrics
from cxrbench.evaluation.predictions import Predictions, of_subset, read_predictions
from cxrbench.leaderboard.rows import row_of
from cxrbench.leaderboard.standings import give_verdicts
from cxrbench.leaderboard.store.entry_files import read_external, read_placed_entry, read_protocol
from cxrbench.leaderboard.store.names import attempt_of, folder_name
from cxrbench.leaderboard.store.validation import EQUAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cxrbench.config.protocol import Protocol
    from cxrbench.leaderboard.store.entry import Entry, ExternalResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One protocol's entries, the best first.

    Attributes:
        units: by recipe, the test scores of each complete entry.
        external: by name of the test set and by recipe, what the frozen heads came to there.
        folder: where its files lie; None for a board that was put together in memory.
        attempt: which time this protocol was begun from the start, from 1.
    """

    protocol: Protocol
    entries: tuple[Entry, ...]
    units: Mapping[str, tuple[Predictions, ...]] = field(default_factory=dict, repr=False)
    external: Mapping[str, Mapping[str, ExternalResult]] = field(default_factory=dict, repr=False)
    folder: Path | None = field(default=None, repr=False, compare=False)
    attempt: int = 1
    _ranked: dict[str, list[dict[str, Any]]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The protocol's name, with the attempt if it is not the first."""
        return folder_name(self.protocol, self.attempt)

    def rows(self, sort: str = "") -> list[dict[str, Any]]:
        """Return a row per entry, ranked by the test value of `sort`, or of the metric that the search maximised.

        Equal values share a rank; entries that are not complete have none and come last.
        """
        metric = sort or self.protocol.metric
        if metric not in self._ranked:
            self._ranked[metric] = self._rank(metric)
        return [dict(row) for row in self._ranked[metric]]

    def _rank(self, metric: str) -> list[dict[str, Any]]:
        verdicts = give_verdicts(self.entries, self.units, metric, self.protocol)
        ordered = sorted(self.entries, key=lambda entry: (verdicts[entry.recipe].rank or len(verdicts) + 1, entry.recipe))
        rows = [
            row_of(entry, verdicts[entry.recipe], {name: found.get(entry.recipe) for name, found in self.external.items()})
            for entry in ordered
        ]
        return [{**row, "protocol": self.name} for row in rows]


def read_board(folder: Path) -> Board:
    """Read one protocol's folder.

    Raises:
        CxrbenchError: a file is none of this version, or holds a number that cannot be true.
    """
    try:
        protocol = read_protocol(folder / "protocol.json")
    except CxrbenchError as error:
        raise CxrbenchError(f"{error}; move {folder} away, and run again") from None
    entries = tuple(read_placed_entry(path) for path in sorted((folder / "entries").glob("*.json")))
    for entry in entries:
        if entry.protocol != protocol:
            raise CxrbenchError(f"{folder}: the entry of {entry.recipe} is of another protocol, {entry.protocol.name}")
    return Board(
        protocol=protocol,
        entries=entries,
        units={entry.recipe: units_of(folder, entry) for entry in entries if entry.status == "complete"},
        external=_read_externals(folder, entries),
        folder=folder,
        attempt=attempt_of(folder.resolve().name, protocol) or 1,
    )


def units_of(folder: Path, entry: Entry) -> tuple[Predictions, ...]:
    """Return the stored test scores of an entry, a unit for each head.

    Raises:
        CxrbenchError: a head has no stored predictions, or others than those that its numbers are of.
    """
    path = folder / entry.predictions
    scored = of_subset(read_predictions(path, within=folder), "test")
    units = []
    for fold in entry.folds:
        for head in fold.heads:
            where = f"fold {fold.fold}, seed {head.seed}"
            if (fold.fold, head.seed) not in scored:
                raise CxrbenchError(f"{path} lacks the test scores of {where}")
            unit = scored[fold.fold, head.seed].at(head.threshold)
            found = metrics(
                unit.labels,
                unit.scores,
                unit.operating_point,
                prevalence=entry.protocol.prevalence,
                also_at=entry.protocol.also_at,
            )
            if wrong := [name for name, value in head.metrics.items() if abs(found.get(name, -1.0) - value) > EQUAL]:
                raise CxrbenchError(
                    f"{entry.recipe} is refused: {where}: {wrong[0]} is {head.metrics[wrong[0]]:.6g}, but the stored scores in "
                    f"{path} make {found.get(wrong[0], float('nan')):.6g}"
                )
            units.append(unit)
    return tuple(units)


def _read_externals(folder: Path, entries: Sequence[Entry]) -> dict[str, dict[str, ExternalResult]]:
    """Return the results of heads that are still those of the entries, on the images that the name stood for last.

    Every run scores the majority class, so its result tells which images those are.
    """
    selections = {entry.recipe: entry.selections for entry in entries}
    majority = next((entry.recipe for entry in entries if entry.kind == "majority"), "")
    found: dict[str, dict[str, ExternalResult]] = {}
    for path in sorted(folder.glob("external/*/*.json")):
        result = read_external(path)
        if selections.get(result.recipe) == result.selections:
            found.setdefault(result.name, {})[result.recipe] = result
    for name, results in found.items():
        if majority in results:
            last = results[majority].fingerprint
            found[name] = {recipe: result for recipe, result in results.items() if result.fingerprint == last}
    return found


def read_boards(out: Path) -> list[Board]:
    """Read every protocol's folder below `out`; raise ConfigError if there is none."""
    folders = sorted(path.parent for path in out.glob("*/protocol.json"))
    if not folders:
        raise ConfigError(f"--out {out}: no leaderboard here; make one with: cxrbench run --out {out}")
    return [read_board(folder) for folder in folders]
