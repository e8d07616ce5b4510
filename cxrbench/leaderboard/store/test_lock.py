"""The test-set lock: the record of which frozen selection has scored the test images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from cxrbench.config.fields import Name
from cxrbench.errors import CxrbenchError
from cxrbench.evaluation.predictions import MEAN_OF_SEEDS
from cxrbench.storage.files import write_json
from cxrbench.storage.json_records import read_record
from cxrbench.storage.schema import Content, Schema, renamed

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

EARLIER_FOLDER = "seals"
"""Where version 1 of the records lies; they count as long as there is no newer one."""


class TestSetLocked(CxrbenchError):
    """Another selection of this recipe has scored the test images already."""

    __test__ = False  # not a class of tests


class LockRecord(BaseModel):
    """Which selections of a recipe have scored test images: a hash by fold and seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[2] = 2
    scored_by: dict[Name, Name]


def lock_from_1(content: Content) -> Content:
    """Rename the one key of a record."""
    return dict(renamed(content, {"opened_by": "scored_by"}))


LOCK = Schema(what="test-set lock", model=LockRecord, version=2, migrations={1: lock_from_1})


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSetLock:
    """The lock records in the folder of a protocol.

    Attributes:
        folder: of the protocol.
    """

    __test__: ClassVar[bool] = False  # not a class of tests

    folder: Path

    def record(self, recipe: str, fold: int, seed: int, selection: str) -> None:
        """Record that a frozen selection is about to score the test images.

        Args:
            recipe: file stem of the recipe.
            fold: number of the fold, from 0.
            seed: number of the repeat of the head's training, from 0, or `MEAN_OF_SEEDS`.
            selection: hash of all that was frozen; the same selection may score again.

        Raises:
            TestSetLocked: another selection has scored them.
        """
        which = "mean of the seeds" if seed == MEAN_OF_SEEDS else f"seed {seed}"
        name, scored_by = f"fold {fold}, {which}", self._scored_by(recipe)
        if name not in scored_by:
            record = LockRecord(scored_by={**scored_by, name: selection})
            write_json(self._path(recipe), record.model_dump(mode="json"))
        elif scored_by[name] != selection:
            raise locked(name)

    def is_recorded(self, recipe: str) -> bool:
        """Return whether any selection of a recipe has scored test images."""
        return bool(self._scored_by(recipe))

    def _path(self, recipe: str) -> Path:
        return self.folder / "test_lock" / f"{recipe}.json"

    def _scored_by(self, recipe: str) -> dict[str, str]:
        for path in (self._path(recipe), self.folder / EARLIER_FOLDER / f"{recipe}.json"):
            if path.is_file():
                return read_record(path, LOCK, within=self.folder).scored_by
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedTestSet:
    """The test images of every fold behind the test-set lock.

    Attributes:
        rows: row numbers by fold, int; only `open` returns them.
    """

    lock: TestSetLock
    rows: tuple[NDArray[np.int64], ...] = field(repr=False)

    def open(self, recipe: str, fold: int, seed: int, selection: str) -> NDArray[np.int64]:
        """Record the selection and return the test images of a fold; arguments and errors as in `TestSetLock.record`."""
        self.lock.record(recipe, fold, seed, selection)
        return self.rows[fold]


def locked(which: str) -> TestSetLocked:
    """Return the error that another selection has scored these test images, with what to do."""
    return TestSetLocked(
        f"the test images ({which}) were scored by another selection of this recipe before: a plugin, a package or the record "
        "of its study has changed since. Scoring them again would be a choice made on test images. To keep the earlier result, "
        "undo the change. To score the new selection, begin a new attempt beside it with cxrbench run --fresh, or use another "
        "--out or --seed. If the earlier results should not count, remove this protocol's folder"
    )
