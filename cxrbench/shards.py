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


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardedArray:
    """One file of rows, an empty file for each shard that is whole in it, and one that is named by the shape of a row.

    Processes that write the same shard write the same bytes, so that nobody needs to wait. No call but `missing` takes longer
    when there are more rows.

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
        present = set(_names_in(self.folder))
        return [shard for shard in range(self.shards) if self._mark(shard).name not in present]

    def bounds(self, shard: int) -> tuple[int, int]:
        """Return the first row of a shard and the one after its last."""
        return shard * SHARD_ROWS, min((shard + 1) * SHARD_ROWS, self.rows)

    def write(self, shard: int, blocks: Iterable[NDArray[Any]]) -> None:
        """Put a shard on disk, whole or not at all: `blocks` of rows, one after the other."""
        start, stop = self.bounds(shard)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file.touch()
        written = 0
        with self._file.open("r+b") as file:  # other processes write their shards into the same file
            for block in blocks:
                rows = np.ascontiguousarray(block, dtype=self.dtype)
                self._agree_on(rows.shape[1:])
                if written + len(rows) > stop - start:
                    raise ValueError(f"shard {shard} of {self.folder} has {stop - start} rows, no more")
                file.seek((start + written) * int(np.prod(rows.shape[1:])) * rows.itemsize)
                file.write(rows.data)
                written += len(rows)
            file.flush()
            os.fsync(file.fileno())
        if written != stop - start:
            raise ValueError(f"shard {shard} of {self.folder} has {stop - start} rows, not {written}")
        self._mark(shard).touch()

    def row_shape(self) -> tuple[int, ...]:
        """Return the shape of a row; raise CxrbenchError if rows of different shapes were written."""
        shapes = _names_in(self._shapes)
        if len(shapes) != 1:
            raise CxrbenchError(f"rows of different shapes: {' and '.join(sorted(shapes)) or 'none yet'}")
        return tuple(map(int, shapes[0].split("x")))

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

    @property
    def _shapes(self) -> Path:
        return self.folder / "shape"

    def _mark(self, shard: int) -> Path:
        return self.folder / f"{shard:05d}.done"

    def _agree_on(self, row_shape: tuple[int, ...]) -> None:
        """Say what shape a row has; raise CxrbenchError if another one was said before."""
        shape = "x".join(map(str, row_shape))
        if said := _names_in(self._shapes):
            if said != [shape]:
                raise CxrbenchError(f"rows of different shapes: {' and '.join(sorted({shape, *said}))}")
        else:
            self._shapes.mkdir(exist_ok=True)
            (self._shapes / shape).touch()
            self.row_shape()


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names alone are wanted
    except FileNotFoundError:
        return []


@lru_cache(maxsize=64)
def _mapped(array: ShardedArray) -> NDArray[Any]:
    """Map a whole array; as a plain view, because a memmap's own indexing is slow."""
    return array.read(0, array.rows).view(np.ndarray)
