"""Arrays on disk that are written shard by shard and mapped when read: decoded images and features."""

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
from cxrbench.storage.locks import wait_for_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

SHARD_ROWS = 512
"""Rows of a shard: so few that two workers share a data set of a few thousand images evenly."""
READ_AT_ONCE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardedArray:
    """One file of rows, a mark for each shard that is whole in it, and an empty file that is named by the shape of a row.

    A mark holds the checksum of its shard and a note on it. Processes that write the same shard write the same bytes. No call
    but `missing` and `damaged` takes longer when there are more rows.

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

    def damaged(self) -> list[int]:
        """Read every shard that is on disk and return those that are not what was written; from now on they are missing."""
        present = sorted(set(range(self.shards)).difference(self.missing()))
        found = [shard for shard in present if not self._is_whole(shard)]
        for shard in found:
            self._mark(shard).unlink(missing_ok=True)
        if found and found == present:  # maybe nothing is wrong but the shape
            shutil.rmtree(self._shapes, ignore_errors=True)
        return found

    def notes(self) -> dict[int, Any]:
        """Return what was noted on each shard that is on disk."""
        present = sorted(set(range(self.shards)).difference(self.missing()))
        return {shard: json.loads(self._read_mark(shard)[1]) for shard in present}

    def bounds(self, shard: int) -> tuple[int, int]:
        """Return the first row of a shard and the one after its last."""
        return shard * SHARD_ROWS, min((shard + 1) * SHARD_ROWS, self.rows)

    def locked(self, on_wait: Callable[[], None]) -> AbstractContextManager[None]:
        """Keep others that ask for it from writing any shard; `on_wait` is called if somebody else keeps them from it."""
        return wait_for_lock(self.folder / "array.lock", on_wait)

    @contextmanager
    def writing(self, shard: int) -> Iterator[bool]:
        """Keep others that ask for it from writing a shard; yield whether it is missing, for one may just have written it."""
        with wait_for_lock(self._mark(shard).with_suffix(".lock")):
            yield not self._mark(shard).exists()

    def write(self, shard: int, blocks: Iterable[NDArray[Any]], note: Any = None) -> None:
        """Put a shard on disk, whole or not at all.

        Args:
            shard: which one.
            blocks: of rows, one after the other.
            note: a JSON value that is kept with the shard; looked at when all blocks are drawn.

        Raises:
            DiskFull: there is no room for it.
        """
        with reporting_full_disk(self.folder):
            checksum = self._write(shard, blocks)
        text = json.dumps(note)
        write_text(self._mark(shard), f"{zlib.crc32(text.encode(), checksum):08x} {text}")

    def _write(self, shard: int, blocks: Iterable[NDArray[Any]]) -> int:
        """Write the rows of a shard and return their checksum."""
        start, stop = self.bounds(shard)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file.touch()
        written = checksum = 0
        with self._file.open("r+b") as file:  # other processes write their shards into the same file
            for block in blocks:
                rows = np.ascontiguousarray(block, dtype=self.dtype)
                self._agree_on(rows.shape[1:])
                if written + len(rows) > stop - start:
                    raise ValueError(f"shard {shard} of {self.folder} has {stop - start} rows, no more")
                file.seek((start + written) * int(np.prod(rows.shape[1:])) * rows.itemsize)
                file.write(rows.data)
                checksum = zlib.crc32(rows.data, checksum)
                written += len(rows)
            file.flush()
            os.fsync(file.fileno())
        if written != stop - start:
            raise ValueError(f"shard {shard} of {self.folder} has {stop - start} rows, not {written}")
        return checksum

    def row_shape(self) -> tuple[int, ...]:
        """Return the shape of a row; raise CxrbenchError if rows of different shapes were written."""
        shapes = _names_in(self._shapes)
        if len(shapes) != 1 or not all(part.isdecimal() for part in shapes[0].split("x")):
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

    def _read_mark(self, shard: int) -> tuple[str, str]:
        checksum, _, note = self._mark(shard).read_text(encoding="utf-8").partition(" ")
        return checksum, note

    def _is_whole(self, shard: int) -> bool:
        try:
            checksum, note = self._read_mark(shard)
            return checksum == f"{zlib.crc32(note.encode(), self._checksum(shard)):08x}"
        except (OSError, ValueError, CxrbenchError):  # gone, no text, or nothing that says how long a row is
            return False

    def _checksum(self, shard: int) -> int:
        """Return the checksum of a shard as it is on disk, read piece by piece."""
        start, stop = self.bounds(shard)
        row_bytes = int(np.prod(self.row_shape())) * np.dtype(self.dtype).itemsize
        left, checksum = (stop - start) * row_bytes, 0
        with self._file.open("rb") as file:
            file.seek(start * row_bytes)
            while left and (piece := file.read(min(left, READ_AT_ONCE))):
                checksum = zlib.crc32(piece, checksum)
                left -= len(piece)
        return checksum

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
