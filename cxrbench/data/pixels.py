"""Decode images once into an array on disk that every process can map, shard by shard."""

from __future__ import annotations

import hashlib
import itertools
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from cxrbench.data.decode import DECODER, examine
from cxrbench.data.facts import FileFacts
from cxrbench.errors import DataError
from cxrbench.files import digest_each, home
from cxrbench.shards import SHARD_ROWS, ShardedArray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.plugin.contracts import Images

    Examined = tuple[NDArray[np.uint8], FileFacts] | DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """Decoded images on disk: uint8 ``[rows, size, size]``, grey; black where an image could not be read.

    Noted on each shard is, of every image, what is known of its file in the order of FileFacts, or why it cannot be read.

    Attributes:
        rows: one for each record of the dataset.
        digest: of all that the pixels depend on.
        resize: how images became square.
    """

    rows: int
    size: int
    digest: str
    resize: Literal["stretch", "pad"] = "stretch"

    @property
    def films(self) -> ShardedArray:
        """The array on disk."""
        return ShardedArray(folder=home() / "images" / self.digest, rows=self.rows, dtype="uint8")

    def files(self) -> dict[int, FileFacts | str]:
        """Return what each row's file was, or why it could not be read, as far as shards are on disk."""
        names = [field.name for field in fields(FileFacts)]
        found: dict[int, FileFacts | str] = {}
        for shard, listed in self.films.notes().items():
            for row, known in enumerate(listed, self.films.bounds(shard)[0]):
                found[row] = known if isinstance(known, str) else FileFacts(**dict(zip(names, known, strict=True)))
        return found

    def unreadable(self) -> dict[int, str]:
        """Return the row of each image that could not be read, and why."""
        return {row: known for row, known in self.files().items() if isinstance(known, str)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How images become pixels.

    Attributes:
        size: height and width in pixels.
        resize: how an image becomes square.
        threads: how many images are read at once; changes no pixel.
    """

    size: int
    resize: Literal["stretch", "pad"]
    threads: int


def content_digests(images: Images, threads: int) -> list[str]:
    """Return the SHA-256 of each image's bytes or pixels, or why it cannot be read."""

    def digest_of(key: str) -> str:
        try:
            content = images.read(key)
            data = content.read_bytes() if isinstance(content, Path) else content
        except Exception as error:  # decoding will meet it again and give the reason
            return f"unreadable: {type(error).__name__}"
        if isinstance(data, bytes):
            return hashlib.sha256(data).hexdigest()
        return f"{data.shape} {hashlib.sha256(np.ascontiguousarray(data).data).hexdigest()}"

    keys = [record.key for record in images.records]
    with ThreadPoolExecutor(threads) as pool:  # shard by shard, because each waiting call takes memory
        return [
            found
            for start in range(0, len(keys), SHARD_ROWS)
            for found in pool.map(digest_of, keys[start : start + SHARD_ROWS])
        ]


def pixels_of(images: Images, digests: Sequence[str], decoding: Decoding) -> Pixels:
    """Return where the pixels of images lie, or will lie when they are decoded."""
    key = digest_each([[DECODER, decoding.size, decoding.resize, SHARD_ROWS], *digests])
    return Pixels(rows=len(images.records), size=decoding.size, digest=key, resize=decoding.resize)


def decode_missing(
    images: Images, pixels: Pixels, decoding: Decoding, on_progress: Callable[[int, int], None]
) -> Iterator[int]:
    """Yield each shard as soon as its pixels are on disk; threads decode the next one in the meantime.

    Args:
        images: what to read, a row for each record.
        pixels: where they go.
        decoding: size, resizing and threads.
        on_progress: called with images done and images in all; not called if nothing is missing.
    """
    films, missing = pixels.films, pixels.films.missing()
    yield from sorted(set(range(films.shards)).difference(missing))
    if not missing:
        return
    total = sum(stop - start for start, stop in map(films.bounds, missing))
    on_progress(0, total)
    steps = itertools.count(1)
    pool = ThreadPoolExecutor(decoding.threads)
    try:
        ahead: deque[tuple[int, Iterator[Examined]]] = deque()
        for shard in missing:
            ahead.append((shard, pool.map(partial(_film_of, images, decoding), range(*films.bounds(shard)))))
            if len(ahead) > 1:
                yield _store(pixels, *ahead.popleft(), lambda: on_progress(next(steps), total))
        yield _store(pixels, *ahead.popleft(), lambda: on_progress(next(steps), total))
    finally:  # nobody who interrupts waits for a thousand images
        pool.shutdown(cancel_futures=True)


def _store(pixels: Pixels, shard: int, decoded: Iterator[Examined], on_step: Callable[[], None]) -> int:
    files: list[tuple[object, ...] | str] = []
    black = np.zeros((1, pixels.size, pixels.size), dtype=np.uint8)

    def blocks() -> Iterator[NDArray[np.uint8]]:
        for examined in decoded:
            if isinstance(examined, DataError):
                files.append(str(examined))
                yield black
            else:
                film, facts = examined
                files.append(astuple(facts))
                yield film[None]
            on_step()

    pixels.films.write(shard, blocks(), note=files)
    return shard


def _film_of(images: Images, decoding: Decoding, row: int) -> Examined:
    try:
        return examine(images.read(images.records[row].key), size=decoding.size, resize=decoding.resize)
    except DataError as error:
        return error
    except Exception as error:  # a plugin's reader may raise anything
        return DataError(getattr(error, "strerror", "") or f"{type(error).__name__}: {error}")
