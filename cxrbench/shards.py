"""Arrays on disk that are written shard by shard and mapped when read: decoded images and features."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.errors import CxrbenchError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

SHARD_ROWS = 512
"""Rows of a shard: so few that two workers share a data set of a few thousand images evenly."""
MARK = ".done"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardedArray:
    """One file of rows, and an empty file for each shard that is whole in it, named by its number and the shape of a row.

    Processes that write the same shard write the same bytes, so that nobody needs to wait.

    Attributes:
        folder: named by the hash of all that the content depends on.
        rows: how many there are when all shards are written.
        dtype: NumPy's name of the numbers' type.
    """

    folder: Path
    rows: int
    dtype: str

    @property
    def shards(self) -> int:
        """How many there are."""
        return -(-self.rows // SHARD_ROWS)

    def missing(self) -> list[int]:
        """Return the shards that are not on disk."""
        present = {int(mark.split(".")[0]) for mark in self._marks()}
        return [shard for shard in range(self.shards) if shard not in present]

    def bounds(self, shard: int) -> tuple[int, int]:
        """Return the first row of a shard and the one after its last."""
        return shard * SHARD_ROWS, min((shard + 1) * SHARD_ROWS, self.rows)

    def write(self, shard: int, blocks: Iterable[NDArray[Any]]) -> None:
        """Put a shard on disk, whole or not at all: `blocks` of rows, one after the other."""
        start, stop = self.bounds(shard)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file.touch()
        written, row_shape = 0, ()
        with self._file.open("r+b") as file:  # other processes write their shards into the same file
            for block in blocks:
                rows = np.ascontiguousarray(block, dtype=self.dtype)
                if not written:
                    row_shape = rows.shape[1:]
                    file.seek(start * rows[0].nbytes)
                file.write(rows.data)
                written += len(rows)
            file.flush()
            os.fsync(file.fileno())
        if written != stop - start:
            raise ValueError(f"shard {shard} of {self.folder} has {stop - start} rows, not {written}")
        (self.folder / f"{shard:05d}.{'x'.join(map(str, row_shape))}{MARK}").touch()

    def row_shape(self) -> tuple[int, ...]:
        """Return the shape of a row; raise CxrbenchError if the shards on disk differ in it."""
        shapes = {mark.split(".")[1] for mark in self._marks()}
        if len(shapes) != 1:
            raise CxrbenchError(f"rows of different shapes: {', '.join(sorted(shapes))}")
        return tuple(map(int, shapes.pop().split("x")))

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return some rows that are on disk, though others may still be missing; mapped."""
        row_shape = self.row_shape()
        offset = start * int(np.prod(row_shape)) * np.dtype(self.dtype).itemsize
        return np.memmap(self._file, dtype=self.dtype, mode="r", offset=offset, shape=(stop - start, *row_shape))

    def gather(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return some rows of a whole array, in the order asked for."""
        gathered: NDArray[Any] = _mapped(self)[rows]
        return gathered

    @property
    def _file(self) -> Path:
        return self.folder / "rows.raw"

    def _marks(self) -> list[str]:
        try:
            return [name for name in os.listdir(self.folder) if name.endswith(MARK)]  # noqa: PTH208 - names alone are wanted
        except FileNotFoundError:
            return []


@lru_cache(maxsize=64)
def _mapped(array: ShardedArray) -> NDArray[Any]:
    """Map a whole array; as a plain view, because a memmap's own indexing is slow."""
    return array.read(0, array.rows).view(np.ndarray)
