"""Features on disk: float32 rows in shards, each written whole or not at all, mapped when read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SHARD_ROWS = 1024
"""Rows of a shard: small enough that two workers share a data set of a few thousand images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureView:
    """The features of one view of every image under one backbone, in the order of the pixels.

    Attributes:
        folder: named by the hash of all that the features depend on.
        rows: how many images there are.
    """

    folder: Path
    rows: int

    def missing(self) -> list[int]:
        """Return the shards that are not on disk."""
        return [shard for shard in range(-(-self.rows // SHARD_ROWS)) if not self.path(shard).is_file()]

    def path(self, shard: int) -> Path:
        """Return where a shard lies."""
        return self.folder / f"{shard:05d}.npy"

    def bounds(self, shard: int) -> tuple[int, int]:
        """Return the first row of a shard and the one after its last."""
        return shard * SHARD_ROWS, min((shard + 1) * SHARD_ROWS, self.rows)

    def write(self, shard: int, features: NDArray[np.float32]) -> None:
        """Put a shard on disk, float32 ``[its rows, D]``."""
        with replacing(self.path(shard)) as file:
            np.save(file, np.ascontiguousarray(features, dtype=np.float32), allow_pickle=False)

    def width(self) -> int:
        """Return D."""
        return int(_mapped(self.path(0)).shape[1])

    def gather(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return some rows as float32 ``[len(rows), D]``, in the order asked for."""
        found = np.empty((len(rows), self.width()), dtype=np.float32)
        shards = rows // SHARD_ROWS
        for shard in np.unique(shards):
            here = shards == shard
            found[here] = _mapped(self.path(int(shard)))[rows[here] - shard * SHARD_ROWS]
        return found


@lru_cache(maxsize=256)
def _mapped(path: Path) -> NDArray[np.float32]:
    mapped: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped
