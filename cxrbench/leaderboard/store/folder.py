"""One protocol's folder: where its entries, predictions, test-set lock and studies are, and what they say."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.config.recipe import stem_of
from cxrbench.errors import CxrbenchError
from cxrbench.leaderboard.store.attempts import folder_name, suffix
from cxrbench.leaderboard.store.entry_files import read_external, read_placed_entry, write_entry
from cxrbench.leaderboard.store.paths import models_path, predictions_path
from cxrbench.leaderboard.store.shift_result import read_shift_result
from cxrbench.leaderboard.store.test_lock import TestSetLock
from cxrbench.storage.files import write_json
from cxrbench.storage.locks import try_lock

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from cxrbench.config.protocol import Protocol
    from cxrbench.config.values import Stage
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.leaderboard.store.external_result import ExternalResult
    from cxrbench.search.database import Database

Stamp = tuple[int, int]
"""Inode and time of change of an entry's file."""


def kept_models(out: Path) -> list[Path]:
    """Return the stored heads of all protocols below a folder, at the paths that `ProtocolFolder.model` gives."""
    return sorted(out.glob("*/models/*/*/*.safetensors"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolFolder:
    """The self-contained folder of one protocol, and the studies beside it. Recipes are named by their file stems.

    Attributes:
        out: folder of all leaderboards.
        attempt: from 1; each starts over, with studies and a test-set lock of its own.
        database: where studies are recorded; None for one journal a study.
    """

    out: Path
    protocol: Protocol
    attempt: int = 1
    database: Database | None = None

    @property
    def name(self) -> str:
        """The name of the folder."""
        return folder_name(self.protocol, self.attempt)

    @property
    def path(self) -> Path:
        """The folder."""
        return self.out / self.name

    @property
    def test_lock(self) -> TestSetLock:
        """The test-set lock of the protocol."""
        return TestSetLock(folder=self.path)

    def predictions(self, recipe: str) -> Path:
        """Return the path of a recipe's predictions, as they are written."""
        return self.path / predictions_path(recipe)

    def model(self, recipe: str, stage: Stage, fold: int, seed: int) -> Path:
        """Return the path of the weights of a head."""
        return self.path / models_path(recipe, stage) / f"fold-{fold}-seed-{seed}.safetensors"

    @property
    def images(self) -> Path:
        """The path of the record of the images that its models learnt from."""
        return self.path / "models" / "images.json"

    def external(self, name: str, recipe: str) -> Path:
        """Return the path of a recipe's result on an external test set."""
        return self.path / "external" / name / f"{recipe}.json"

    def external_predictions(self, name: str, recipe: str) -> Path:
        """Return the path of the scores behind that result, as they are written."""
        return self.external(name, recipe).with_suffix(".npz")

    def stored_external_predictions(self, name: str, recipe: str) -> Path:
        """Return the path of the scores behind that result, as they are stored: earlier versions wrote CSV."""
        path = self.external_predictions(name, recipe)
        return path if path.is_file() else path.with_suffix(".csv")

    def shifts(self, recipe: str) -> Path:
        """Return the path of a recipe's result on shifted test images."""
        return self.path / "shifts" / f"{recipe}.json"

    def shift_predictions(self, recipe: str, shift: str) -> Path:
        """Return the path of the scores of shifted test images."""
        return self.path / "shifts" / recipe / f"{stem_of(shift)}.npz"

    def development(self, recipe: str, shift: str) -> Path:
        """Return the path of the scores of validation images under a development shift."""
        return self.path / "development" / recipe / f"{stem_of(shift)}.npz"

    def skipped(self, external: str = "") -> Path:
        """Return the path of the list of unreadable files, of the dataset or of an external test set."""
        return (self.path / "external" / external if external else self.path) / "skipped.csv"

    def study(self, identity: str) -> Path:
        """Return the path of a study's journal; protocols that differ in the number of trials share it."""
        return self.out / "studies" / f"{identity[:16]}{suffix(self.attempt)}.journal"

    def study_name(self, recipe: str, identity: str) -> str:
        """Return the name of a study in a database, at most 512 characters (Optuna's limit)."""
        return f"{recipe[:400]} {identity[:16]}{suffix(self.attempt)}"

    def is_finished(self, recipe: str, identity: str, externals: Mapping[str, str], shifts: Collection[str] = ()) -> bool:
        """Return whether the recipe has a complete result with this identity.

        Args:
            recipe: its file stem.
            identity: of the result.
            externals: fingerprint of each external test set, by name; the result must cover them all.
            shifts: identity of each shift; likewise.
        """
        if not (entry := self.result(recipe, identity)):
            return False
        tables = (self.path / entry.predictions, *(self.development(recipe, shift) for shift in entry.development))
        if not all(table.is_file() for table in tables):
            return False
        if shifts and not self._covers(recipe, entry.selections, shifts):
            return False
        return all(self._is_scored(recipe, entry.selections, name, fingerprint) for name, fingerprint in externals.items())

    def complete_entry(self, recipe: str) -> Entry | None:
        """Return the entry of a recipe if there is one and it is complete."""
        path = self.entry(recipe)
        entry = read_placed_entry(path) if path.is_file() else None
        return entry if entry and entry.status == "complete" else None

    def result(self, recipe: str, identity: str) -> Entry | None:
        """Return the complete entry of a recipe if it has this identity. It may lack test sets or shifts of this run."""
        entry = self.complete_entry(recipe)
        return entry if entry and entry.study == identity else None

    @contextmanager
    def try_lock_recipe(self, recipe: str, identity: str) -> Iterator[bool]:
        """Lock a recipe and its studies, unless another process has; yield whether it is locked now."""
        entry, study = self.entry(recipe).with_suffix(".lock"), self.study(identity).with_suffix(".lock")
        with try_lock(entry) as entry_is_mine, try_lock(study) as study_is_mine:
            yield entry_is_mine and study_is_mine

    def stamps(self, recipes: Iterable[str]) -> dict[str, Stamp | None]:
        """Return the stamp of each recipe's entry now; None where there is no entry."""
        return {recipe: self._stamp(recipe) for recipe in recipes}

    def entry_since(self, recipe: str, stamps: Mapping[str, Stamp | None]) -> Entry | None:
        """Return the entry of a recipe if a process has written it since the stamps were taken."""
        return None if self._stamp(recipe) == stamps[recipe] else read_placed_entry(self.entry(recipe))

    def check(self, running: Collection[str]) -> None:
        """Check the entries of earlier runs before any work is done.

        Args:
            running: file stems of the recipes that this run may compute again.

        Raises:
            CxrbenchError: an entry cannot be read, or its predictions are missing.
        """
        for path in sorted((self.path / "entries").glob("*.json")):
            entry = read_placed_entry(path)
            table = self.path / entry.predictions
            if entry.status == "complete" and path.stem not in running and not table.is_file():
                raise CxrbenchError(f"{path}: its predictions are missing ({table}). Restore them, or remove the entry")

    def write_protocol(self) -> None:
        """Write the protocol's file."""
        write_json(self.path / "protocol.json", self.protocol.model_dump(mode="json"))

    def remove_if_empty(self) -> None:
        """Remove the folder if it is empty: the run ended before it wrote anything."""
        with suppress(OSError):
            self.path.rmdir()

    def add(self, recipe: str, entry: Entry) -> bool:
        """Write an entry and return True; keep a complete entry in favour of one that is not, and return False."""
        if entry.status != "complete" and self.complete_entry(recipe):
            return False
        write_entry(self.entry(recipe), entry)
        if (earlier := self.predictions(recipe).with_suffix(".csv")) != self.path / entry.predictions:
            earlier.unlink(missing_ok=True)  # the table of an earlier version
        return True

    def add_external(self, recipe: str, result: ExternalResult) -> None:
        """Write a result on an external test set."""
        write_json(self.external(result.name, recipe), result.model_dump(mode="json"))
        self.external_predictions(result.name, recipe).with_suffix(".csv").unlink(missing_ok=True)  # of an earlier version

    def entry(self, recipe: str) -> Path:
        """Return the path of a recipe's entry."""
        return self.path / "entries" / f"{recipe}.json"

    def _stamp(self, recipe: str) -> Stamp | None:
        try:
            status = self.entry(recipe).stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _covers(self, recipe: str, selections: tuple[str, ...], shifts: Collection[str]) -> bool:
        path = self.shifts(recipe)
        result = read_shift_result(path) if path.is_file() else None
        return bool(
            result and result.selections == selections and {score.identity for score in result.scores}.issuperset(shifts)
        )

    def _is_scored(self, recipe: str, selections: tuple[str, ...], name: str, fingerprint: str) -> bool:
        path = self.external(name, recipe)
        if not path.is_file():
            return False
        result = read_external(path)
        return result.fingerprint == fingerprint and result.selections == selections
