"""Arrays on disk that are written shard by shard and read as memory maps: decoded images and features."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.errors import CxrbenchError
from cxrbench.storage.files import reporting_full_disk, write_text
from cxrbench.storage.local_copy import local_copy
from cxrbench.storage.locks import wait_for_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

SHARD_ROWS = 512
"""Rows of a shard unless told otherwise: small enough that two workers share a dataset of a few thousand images evenly."""
CHECKSUM_BLOCK_BYTES = 2**20
MARK_VERSION = 2
"""Version of the marks: a checksum, and JSON with this number and the note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardedArray:
    """One file of rows, a mark file for each complete shard, and an empty file whose name is the shape of a row.

    A mark contains the checksum of its shard and a note. Processes that write the same shard write the same bytes. Only the
    time of `missing` and `damaged` grows with the number of rows.

    Attributes:
        folder: its name is the hash of everything that the rows depend on.
        rows: number of rows when all shards are written.
        dtype: NumPy's name of the element type.
        shard_rows: rows of a shard; the last may have fewer.
    """

    folder: Path
    rows: int
    dtype: str
    shard_rows: int = SHARD_ROWS

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.rows // self.shard_rows)

    def missing(self) -> list[int]:
        """Return the shards that are not on disk."""
        names = set(_names_in(self.folder))
        return [shard for shard in range(self.shards) if self._mark_path(shard).name not in names]

    def damaged(self) -> list[int]:
        """Verify the checksum of every shard on disk; mark the damaged shards as missing and return them."""
        present = sorted(set(range(self.shards)).difference(self.missing()))
        damaged = [shard for shard in present if not self._is_intact(shard)]
        for shard in damaged:
            self._mark_path(shard).unlink(missing_ok=True)
        if damaged and damaged == present:  # the recorded shape itself may be wrong
            shutil.rmtree(self._shape_folder, ignore_errors=True)
        return damaged

    def notes(self) -> dict[int, Any]:
        """Return the note of each shard on disk."""
        present = sorted(set(range(self.shards)).difference(self.missing()))
        return {shard: _note_in(self._read_mark(shard)[1]) for shard in present}

    def bounds(self, shard: int) -> tuple[int, int]:
        """Return the first row of a shard, and one past its last row."""
        return shard * self.shard_rows, min((shard + 1) * self.shard_rows, self.rows)

    def locked(self, on_wait: Callable[[], None]) -> AbstractContextManager[None]:
        """Hold the lock of the whole array; call `on_wait` once if another holder has it."""
        return wait_for_lock(self.folder / "array.lock", on_wait)

    @contextmanager
    def writing(self, shard: int) -> Iterator[bool]:
        """Hold the lock of a shard; yield whether the shard is missing, as another process may have just written it."""
        with wait_for_lock(self._mark_path(shard).with_suffix(".lock")):
            yield not self._mark_path(shard).exists()

    def write(self, shard: int, blocks: Iterable[NDArray[Any]], note: Any = None) -> None:
        """Write a shard; it counts as missing until it is complete.

        Args:
            shard: number of the shard.
            blocks: arrays of consecutive rows.
            note: a JSON value that is stored with the shard. It is serialized after the last block is drawn.

        Raises:
            DiskFull: there is no room for the shard.
        """
        with reporting_full_disk(self.folder):
            checksum = self._write_rows(shard, blocks)
        text = json.dumps({"schema_version": MARK_VERSION, "note": note})
        write_text(self._mark_path(shard), f"{zlib.crc32(text.encode(), checksum):08x} {text}")

    def _write_rows(self, shard: int, blocks: Iterable[NDArray[Any]]) -> int:
        """Write the rows of a shard and return their checksum."""
        start, stop = self.bounds(shard)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._rows_path.touch()
        written = checksum = 0
        recorded: tuple[int, ...] | None = None
        with self._rows_path.open("r+b") as file:  # other processes write their shards into the same file
            for block in blocks:
                rows = np.ascontiguousarray(block, dtype=self.dtype)
                if rows.shape[1:] != recorded:
                    recorded = rows.shape[1:]
                    self._record_row_shape(recorded)
                if written + len(rows) > stop - start:
                    raise ValueError(f"shard {shard} of {self.folder}: expected {stop - start} rows, got more")
                file.seek((start + written) * int(np.prod(rows.shape[1:])) * rows.itemsize)
                file.write(rows.data)
                checksum = zlib.crc32(rows.data, checksum)
                written += len(rows)
            file.flush()
            os.fsync(file.fileno())
        if written != stop - start:
            raise ValueError(f"shard {shard} of {self.folder}: expected {stop - start} rows, got {written}")
        return checksum

    def row_shape(self) -> tuple[int, ...]:
        """Return the shape of a row; raise CxrbenchError if no rows, or rows of different shapes, were written."""
        shapes = _names_in(self._shape_folder)
        if len(shapes) != 1 or not all(part.isdecimal() for part in shapes[0].split("x")):
            raise CxrbenchError(f"rows of different shapes: {' and '.join(sorted(shapes)) or 'none yet'}")
        return tuple(map(int, shapes[0].split("x")))

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start..stop-1`` as a read-only memory map. Their shards must be on disk; others may be missing."""
        row_shape = self.row_shape()
        offset = start * int(np.prod(row_shape)) * np.dtype(self.dtype).itemsize
        return np.memmap(self._rows_path, dtype=self.dtype, mode="r", offset=offset, shape=(stop - start, *row_shape))

    def map(self) -> NDArray[Any]:
        """Return all rows as a memory map, of this machine's own copy where one is wanted. All shards must be on disk."""
        file = local_copy(self._rows_path, self.folder.name)
        return np.memmap(file, dtype=self.dtype, mode="r", shape=(self.rows, *self.row_shape()))

    def gather(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return a copy of the given rows, in the given order. All shards must be on disk."""
        gathered: NDArray[Any] = _map_array(self)[rows]
        return gathered

    @property
    def _rows_path(self) -> Path:
        return self.folder / "rows.raw"

    @property
    def _shape_folder(self) -> Path:
        return self.folder / "shape"

    def _mark_path(self, shard: int) -> Path:
        return self.folder / f"{shard:05d}.done"

    def _read_mark(self, shard: int) -> tuple[str, str]:
        checksum, _, text = self._mark_path(shard).read_text(encoding="utf-8").partition(" ")
        return checksum, text

    def _is_intact(self, shard: int) -> bool:
        try:
            checksum, text = self._read_mark(shard)
            return checksum == f"{zlib.crc32(text.encode(), self._checksum(shard)):08x}"
        except (OSError, ValueError, CxrbenchError):  # a file is gone, the mark is not text, or the row shape is unknown
            return False

    def _checksum(self, shard: int) -> int:
        """Return the checksum of a shard's rows on disk."""
        start, stop = self.bounds(shard)
        row_bytes = int(np.prod(self.row_shape())) * np.dtype(self.dtype).itemsize
        left, checksum = (stop - start) * row_bytes, 0
        with self._rows_path.open("rb") as file:
            file.seek(start * row_bytes)
            while left and (block := file.read(min(left, CHECKSUM_BLOCK_BYTES))):
                checksum = zlib.crc32(block, checksum)
                left -= len(block)
        return checksum

    def _record_row_shape(self, row_shape: tuple[int, ...]) -> None:
        """Record the shape of a row; raise CxrbenchError if another shape was recorded before."""
        shape = "x".join(map(str, row_shape))
        if recorded := _names_in(self._shape_folder):
            if recorded != [shape]:
                raise CxrbenchError(f"rows of different shapes: {' and '.join(sorted({shape, *recorded}))}")
        else:
            self._shape_folder.mkdir(exist_ok=True)
            (self._shape_folder / shape).touch()
            self.row_shape()  # raises if another process recorded another shape at the same time


def _note_in(text: str) -> Any:
    """Return the note of a mark; version 1 of marks holds the note alone."""
    content = json.loads(text)
    return content["note"] if isinstance(content, dict) and "schema_version" in content else content


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - only the names are needed
    except FileNotFoundError:
        return []


@lru_cache(maxsize=64)
def _map_array(array: ShardedArray) -> NDArray[Any]:
    """Map a whole array. Return a plain view, because indexing a memmap is slow."""
    return array.map().view(np.ndarray)
