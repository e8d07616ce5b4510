"""The seal on the test images: only a frozen selection gets at them, and always the same one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from cxrbench.config.fields import Name  # noqa: TC001  # pydantic reads the annotations at run time
from cxrbench.errors import CxrbenchError
from cxrbench.storage.files import write_json
from cxrbench.storage.json_records import read_record

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class SealBroken(CxrbenchError):
    """Test images that another selection has seen already."""


class Opened(BaseModel):
    """What has opened the seals of a recipe: by fold and seed, the hash of a selection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1]
    opened_by: dict[Name, Name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seals:
    """The folder where it is written down which selections have seen the test images."""

    folder: Path

    def break_open(self, recipe: str, fold: int, seed: int, selection: str) -> None:
        """Write down the hash of the selection that is frozen.

        Args:
            recipe: the recipe's file stem.
            fold: from 0.
            seed: the repeat of the head's training, from 0.
            selection: hash of all that was chosen; the same one may come again.

        Raises:
            SealBroken: if another selection has opened this seal.
        """
        name, opened = f"fold {fold}, seed {seed}", self._opened(recipe)
        if name not in opened:
            write_json(self._path(recipe), {"schema_version": 1, "opened_by": {**opened, name: selection}})
        elif opened[name] != selection:
            raise broken(name)

    def is_open(self, recipe: str) -> bool:
        """Return whether any selection of a recipe has seen test images."""
        return bool(self._opened(recipe))

    def _path(self, recipe: str) -> Path:
        return self.folder / f"{recipe}.json"

    def _opened(self, recipe: str) -> dict[str, str]:
        path = self._path(recipe)
        return read_record(path, Opened, within=self.folder.parent, what="seal").opened_by if path.is_file() else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedTest:
    """The test images of every fold, behind a seal.

    Attributes:
        rows: of each fold, int; to be had through `open` alone.
    """

    seals: Seals
    rows: tuple[NDArray[np.int64], ...] = field(repr=False)

    def open(self, recipe: str, fold: int, seed: int, selection: str) -> NDArray[np.int64]:
        """Return the test images of a fold, having broken its seal; as `Seals.break_open`."""
        self.seals.break_open(recipe, fold, seed, selection)
        return self.rows[fold]


def broken(which: str) -> SealBroken:
    """Return the error that says that test images were seen before, and what to do."""
    return SealBroken(
        f"the test images ({which}) were scored by another selection of this recipe before: a plugin, a package or the record "
        "of its study has changed since. A second look at them would be a choice made on test images: use another --out or "
        "--seed, or remove this protocol's folder if its results are not to count"
    )
