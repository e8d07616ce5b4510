"""The board: all entries of one protocol, ranked. A pure function of the entries and of their stored predictions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from cxrbench.config.recipe import stem_of
from cxrbench.errors import ConfigError, CxrbenchError, MissingRequirement
from cxrbench.evaluation.metrics import metrics
from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.evaluation.predictions import means_of_seeds, of_subset
from cxrbench.evaluation.ranking import headlines
from cxrbench.evaluation.shifted import as_repeats
from cxrbench.leaderboard.columns import columns_of
from cxrbench.leaderboard.rows import Row
from cxrbench.leaderboard.shifted_ranks import RANKED, UnderShifts
from cxrbench.leaderboard.standings import in_place_of, rank_entries
from cxrbench.leaderboard.store.attempts import attempt_of, folder_name
from cxrbench.leaderboard.store.entry_files import read_external, read_placed_entry, read_protocol
from cxrbench.leaderboard.store.group_check import differs_from_scores
from cxrbench.leaderboard.store.shift_result import ShiftResult, read_shift_result
from cxrbench.leaderboard.store.validation import EQUAL
from cxrbench.leaderboard.worst_group import worst_group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from pandas import DataFrame

    from cxrbench.config.protocol import Protocol
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.leaderboard.columns import Column
    from cxrbench.leaderboard.plots.chosen import Chosen, Named
    from cxrbench.leaderboard.row_model import LoadsModel, RowModel
    from cxrbench.leaderboard.rows import Cell
    from cxrbench.leaderboard.store.entry import Entry, HeadResult, MeanResult
    from cxrbench.leaderboard.store.external_result import ExternalResult

GALLERY = "images.html"
"""The page of test images with saliency maps, in a protocol's folder."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Board:
    """The entries of one protocol.

    Attributes:
        predictions: by recipe, the test predictions of each complete entry, one a head.
        external: by name of the test set and by recipe, the results of the frozen heads.
        shifts: by recipe, the results of the frozen heads on shifted test images.
        shifted: by recipe, the test predictions under the standard shifts, as if each shift were a further seed.
        folder: where its files are; None for a board that was made in memory.
        attempt: from 1.
        has_gallery: whether the page `GALLERY` is in that folder.
        load_model: loads the model of an entry's file.

    ``board[0]`` is the first row, and `to_frame` gives all of them to pandas. A notebook shows the table of a board. The
    ``plot_*`` methods draw into the matplotlib axes `ax`, or into new ones, and return them. They raise MissingRequirement
    without matplotlib, and ConfigError for rows that are not on the board or lack what is drawn.
    """

    protocol: Protocol
    entries: tuple[Entry, ...]
    predictions: Mapping[str, tuple[Predictions, ...]] = field(default_factory=dict, repr=False)
    external: Mapping[str, Mapping[str, ExternalResult]] = field(default_factory=dict, repr=False)
    shifts: Mapping[str, ShiftResult] = field(default_factory=dict, repr=False)
    shifted: Mapping[str, tuple[Predictions, ...]] = field(default_factory=dict, repr=False)
    folder: Path | None = field(default=None, repr=False, compare=False)
    attempt: int = 1
    has_gallery: bool = False
    load_model: LoadsModel | None = field(default=None, repr=False, compare=False)
    _ranked: dict[str, tuple[Row, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.entries)

    def __repr__(self) -> str:
        complete = sum(entry.status == "complete" for entry in self.entries)
        return f"Board({self.name!r}, {len(self)} rows, {complete} complete, ranked by {self.protocol.metric})"

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows."""
        from cxrbench.leaderboard.report.notebook import board_for_notebook

        return board_for_notebook(self)

    def __iter__(self) -> Iterator[Row]:
        """Iterate over the ranked rows."""
        return iter(self.rows())

    def __getitem__(self, place: int) -> Row:
        """Return a row by its place in the ranking, from 0."""
        return self.rows()[place]

    @property
    def name(self) -> str:
        """The name of the protocol, with the attempt if it is not the first."""
        return folder_name(self.protocol, self.attempt)

    @property
    def columns(self) -> dict[str, Column]:
        """All columns by key."""
        shifts = dict.fromkeys(score.name for result in self.shifts.values() for score in result.scores)
        stages = {entry.stage for entry in self.entries}
        return columns_of(self.protocol, self.external, tuple(shifts), stages, self.groups)

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of all groups that rows have results of: those that were left out, then such as ``sex=F``."""
        return tuple(dict.fromkeys(name for entry in self.entries for name in entry.by_group))

    def rows(self, sort: str = "") -> tuple[Row, ...]:
        """Return a row per entry, ranked by the test value of `sort`, or of the metric that the search maximised.

        ``auc_shifted`` and so on rank by what the standard shifts leave.
        Equal values share a rank. Entries that are not complete have no rank and come last.
        """
        metric = sort or self.protocol.metric
        if metric not in self._ranked:
            self._ranked[metric] = self._rank(metric)
        return self._ranked[metric]

    def records(self, sort: str = "") -> list[dict[str, Cell]]:
        """Return the ranked rows as dictionaries of all columns, as CSV and JSON hold them."""
        return [dict(row.values) for row in self.rows(sort)]

    def to_frame(self, sort: str = "") -> DataFrame:
        """Return the ranked rows as a pandas DataFrame, one column per key of `records`.

        Raises:
            MissingRequirement: pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ImportError:
            raise MissingRequirement("to_frame needs pandas: pip install pandas") from None
        return DataFrame.from_records(self.records(sort))

    def plot_roc(self, rows: Chosen = None, ax: Axes | None = None) -> Axes:
        """Draw the ROC curves of rows, with the band of the first one.

        Args:
            rows: recipes, ranks or rows; the best row of each backbone, at most four, if nothing is given.
            ax: matplotlib axes.
        """
        from cxrbench.leaderboard.plots.drawings import curves

        return curves(self, rows)["roc"].shown(ax)

    def plot_precision_recall(self, rows: Chosen = None, ax: Axes | None = None) -> Axes:
        """Draw the precision-recall curves of rows, with the band of the first one; arguments as of `plot_roc`."""
        from cxrbench.leaderboard.plots.drawings import curves

        return curves(self, rows)["precision-recall"].shown(ax)

    def plot_calibration(self, rows: Chosen = None, ax: Axes | None = None) -> Axes:
        """Draw how often images of a score are of the positive class; arguments as of `plot_roc`."""
        from cxrbench.leaderboard.plots.drawings import curves

        return curves(self, rows)["calibration"].shown(ax)

    def plot_intervals(self, rows: Chosen = None, ax: Axes | None = None) -> Axes:
        """Draw the metric of rows with its intervals; of all rows, if none is named."""
        from cxrbench.leaderboard.plots.drawings import intervals

        return intervals(self, rows).shown(ax)

    def plot_confusion(self, row: Named = 1, ax: Axes | None = None) -> Axes:
        """Draw the confusion matrix of a row, given by recipe or rank."""
        from cxrbench.leaderboard.plots.drawings import confusion

        return confusion(self, row).shown(ax)

    def plot_loss(self, row: Named = 1, ax: Axes | None = None) -> Axes:
        """Draw the loss of a row after each epoch of its training."""
        from cxrbench.leaderboard.plots.drawings import training

        return training(self, "loss", row).shown(ax)

    def plot_accuracy(self, row: Named = 1, ax: Axes | None = None) -> Axes:
        """Draw the accuracy of a row after each epoch of its training."""
        from cxrbench.leaderboard.plots.drawings import training

        return training(self, "accuracy", row).shown(ax)

    def _rank(self, metric: str) -> tuple[Row, ...]:
        by_shifts = self._under_shifts.ranks
        standings = rank_entries(self.entries, self.predictions, RANKED.get(metric, metric), self.protocol)
        if metric in RANKED:
            shifted = self._under_shifts.standings(metric)
            standings = {recipe: in_place_of(standing, shifted.get(recipe)) for recipe, standing in standings.items()}
        ordered = sorted(self.entries, key=lambda entry: (standings[entry.name].rank or len(standings) + 1, entry.name))
        columns = self.columns
        rows = (
            Row(
                board=self.name,
                entry=entry,
                standing=standings[entry.name],
                load=self._loader(entry),
                external={name: results.get(entry.name) for name, results in self.external.items()},
                shifts=self.shifts.get(entry.name),
                groups=entry.by_group,
                worst_group=worst_group(entry),
                shifted_ranks={column: found[entry.name] for column, found in by_shifts.items() if entry.name in found},
            )
            for entry in ordered
        )
        return tuple(replace(row, values={key: column.value(row) for key, column in columns.items()}) for row in rows)

    @cached_property
    def _under_shifts(self) -> UnderShifts:
        return UnderShifts(predictions=self.shifted, protocol=self.protocol)

    def _loader(self, entry: Entry) -> Callable[..., RowModel] | None:
        if self.folder is None or self.load_model is None:
            return None
        return partial(self.load_model, self.folder / "entries" / f"{stem_of(entry.name)}.json")


def read_board(folder: Path) -> Board:
    """Read one protocol's folder.

    Raises:
        CxrbenchError: a file is invalid, or its numbers contradict each other.
    """
    try:
        protocol = read_protocol(folder / "protocol.json")
    except CxrbenchError as error:
        raise CxrbenchError(f"{error}. Move {folder} away and run again") from None
    entries = tuple(read_placed_entry(path) for path in sorted((folder / "entries").glob("*.json")))
    for entry in entries:
        if entry.protocol != protocol:
            raise CxrbenchError(f"{folder}: the entry of {entry.name} belongs to another protocol, {entry.protocol.name}")
    return Board(
        protocol=protocol,
        entries=entries,
        predictions={entry.name: read_test_predictions(folder, entry) for entry in entries if entry.status == "complete"},
        external=_read_externals(folder, entries),
        **_read_shifts(folder, entries),
        folder=folder,
        attempt=attempt_of(folder.resolve().name, protocol) or 1,
        has_gallery=(folder / GALLERY).is_file(),
    )


def read_test_predictions(folder: Path, entry: Entry) -> tuple[Predictions, ...]:
    """Return the stored test predictions of an entry, one for each head, with its threshold.

    Raises:
        CxrbenchError: a head has no stored predictions, or its metrics, or those of a group, are not those of its predictions.
    """
    path, protocol = folder / entry.predictions, entry.protocol
    table = read_predictions(path, within=folder)
    stored, means = of_subset(table, "test"), means_of_seeds(table, "test")

    def checked(where: str, scores: Predictions | None, result: HeadResult | MeanResult) -> Predictions:
        if scores is None:
            raise CxrbenchError(f"{path} lacks the test scores of {where}")
        head = scores.at(result.threshold)
        computed = metrics(head.labels, head.scores, result.threshold, prevalence=protocol.prevalence, also_at=protocol.also_at)
        if wrong := [name for name, value in result.metrics.items() if abs(computed.get(name, -1.0) - value) > EQUAL]:
            raise CxrbenchError(
                f"{entry.name} is refused: {where}: {wrong[0]} is {result.metrics[wrong[0]]:.6g}, but the stored scores in "
                f"{path} make {computed.get(wrong[0], float('nan')):.6g}"
            )
        return head

    for fold in entry.folds:
        if fold.mean:
            checked(f"fold {fold.fold}, mean of the seeds", means.get(fold.fold), fold.mean)
    heads = tuple(
        checked(f"fold {fold.fold}, seed {head.seed}", stored.get((fold.fold, head.seed)), head)
        for fold in entry.folds
        for head in fold.heads
    )
    if problem := differs_from_scores(entry, heads):
        raise CxrbenchError(f"{entry.name} is refused: {problem}")
    return heads


def _read_externals(folder: Path, entries: Sequence[Entry]) -> dict[str, dict[str, ExternalResult]]:
    """Return the external results of the entries' present heads, on the images of each test set's last version.

    Every run scores the baseline, so its result tells which images those are.
    """
    selections = {entry.name: entry.selections for entry in entries}
    baseline = next((entry.name for entry in entries if entry.kind == "baseline"), "")
    found: dict[str, dict[str, ExternalResult]] = {}
    for path in sorted(folder.glob("external/*/*.json")):
        result = read_external(path)
        if selections.get(result.recipe) == result.selections:
            found.setdefault(result.name, {})[result.recipe] = result
    for name, results in found.items():
        if baseline in results:
            last = results[baseline].fingerprint
            found[name] = {recipe: result for recipe, result in results.items() if result.fingerprint == last}
    return found


def _read_shifts(folder: Path, entries: Sequence[Entry]) -> dict[str, Any]:
    """Return the results of the entries' present heads under shifts, and their predictions under the standard ones."""
    results: dict[str, ShiftResult] = {}
    predictions: dict[str, tuple[Predictions, ...]] = {}
    for entry in entries:
        path = folder / "shifts" / f"{stem_of(entry.name)}.json"
        if entry.status != "complete" or not path.is_file():
            continue
        result = read_shift_result(path)
        if result.selections != entry.selections:
            continue
        results[entry.name] = result
        if result.metrics:
            predictions[entry.name] = read_shifted_predictions(folder, entry, result)
    return {"shifts": results, "shifted": predictions}


def read_shifted_predictions(folder: Path, entry: Entry, result: ShiftResult) -> tuple[Predictions, ...]:
    """Return the stored predictions under the standard shifts, as if each shift were a further seed."""
    thresholds = {(fold.fold, head.seed): head.threshold for fold in entry.folds for head in fold.heads}
    tables = []
    for score in result.standard:
        path = folder / "shifts" / stem_of(entry.name) / f"{stem_of(score.name)}.npz"
        heads = of_subset(read_predictions(path, within=folder), "test")
        if missing := thresholds.keys() - heads.keys():
            fold, seed = min(missing)
            raise CxrbenchError(f"{path} lacks the scores of fold {fold}, seed {seed}")
        found = [heads[where].at(threshold) for where, threshold in thresholds.items()]
        if abs(headlines(found, entry.protocol.prevalence)["auc"] - score.metrics["auc"]) > EQUAL:
            raise CxrbenchError(f"{entry.name} is refused: its auc under {score.name} is not that of the scores in {path}")
        tables.append(found)
    return tuple(as_repeats(tables))


def read_boards(out: Path) -> list[Board]:
    """Read every protocol's folder below `out`; raise ConfigError if there is none."""
    folders = sorted(path.parent for path in out.glob("*/protocol.json"))
    if not folders:
        raise ConfigError(f"--out {out}: no leaderboard here. Make one with: cxrbench run --out {out}")
    return [read_board(folder) for folder in folders]
