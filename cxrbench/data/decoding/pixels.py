"""Decode images once, shard by shard, into an array on disk that every process can map."""

from __future__ import annotations

import itertools
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from cxrbench.data.decoding.decode import Reading, decoder_versions, examine, readings_of
from cxrbench.data.decoding.facts import FileFacts
from cxrbench.data.decoding.helper import dismiss_helpers
from cxrbench.data.decoding.image_bytes import digest_of, digest_of_unreadable, read_image, reading_failure
from cxrbench.errors import DataError
from cxrbench.storage.files import digest_each, home
from cxrbench.storage.safe_text import as_line
from cxrbench.storage.sharded_array import SHARD_ROWS, ShardedArray

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.plugin.contracts import Images

    Decoded = tuple[NDArray[np.uint8], FileFacts] | DataError

TIMED_IMAGES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """Decoded images on disk: uint8 ``[rows, size, size]``, grey; black if an image could not be read.

    The note of each shard lists, for every image, the values of its FileFacts in order, or the reason why it cannot be read.

    Attributes:
        rows: one per record of the dataset.
        digest: of everything the pixels depend on.
        resize: how images are made square.
        shard_rows: images of a shard.
    """

    rows: int
    size: int
    digest: str
    resize: Literal["stretch", "pad"] = "stretch"
    shard_rows: int = SHARD_ROWS

    @property
    def array(self) -> ShardedArray:
        """The array on disk."""
        folder = home() / "images" / self.digest
        return ShardedArray(folder=folder, rows=self.rows, dtype="uint8", shard_rows=self.shard_rows)

    def files(self) -> dict[int, FileFacts | str]:
        """Return the file properties of each row, or why it could not be read, as far as shards are on disk."""
        names = [field.name for field in fields(FileFacts)]
        files: dict[int, FileFacts | str] = {}
        for shard, note in self.array.notes().items():
            for row, noted in enumerate(note, self.array.bounds(shard)[0]):
                files[row] = noted if isinstance(noted, str) else FileFacts(**dict(zip(names, noted, strict=True)))
        return files

    def unreadable(self) -> dict[int, str]:
        """Return the rows of the images that could not be read, with the reasons."""
        return {row: file for row, file in self.files().items() if isinstance(file, str)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How images are decoded.

    Attributes:
        size: height and width in pixels.
        resize: how images are made square.
        threads: images read at once; does not change the pixels.
        shard_rows: images decoded ahead and written together.
    """

    size: int
    resize: Literal["stretch", "pad"]
    threads: int
    shard_rows: int = SHARD_ROWS


def image_digests(images: Images, threads: int, on_read: Callable[[], None]) -> tuple[tuple[str, ...], frozenset[Reading]]:
    """Return the SHA-256 of each image's bytes or pixels, or why it cannot be read; and the readings of any image.

    `on_read` is called after each image.
    """

    def digest(key: str) -> tuple[str, frozenset[Reading]]:
        try:
            data = read_image(images, key)
            return digest_of(data), readings_of(data) if isinstance(data, bytes) else frozenset()
        except Exception as error:  # decoding raises it again and reports the reason
            return digest_of_unreadable(error), frozenset()

    keys = [record.key for record in images.records]
    results: list[tuple[str, frozenset[Reading]]] = []
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(keys), SHARD_ROWS):  # shard by shard, because each pending call takes memory
            for result in pool.map(digest, keys[start : start + SHARD_ROWS]):
                results.append(result)
                on_read()
    return tuple(text for text, _ in results), frozenset[Reading]().union(*(needed for _, needed in results))


def pixels_of(digests: Sequence[str], decoding: Decoding, readings: Collection[Reading] = ()) -> Pixels:
    """Return the array on disk for the pixels of images, decoded or not; both as from `image_digests`."""
    key = digest_each([[*decoder_versions(readings), decoding.size, decoding.resize, decoding.shard_rows], *digests])
    return Pixels(rows=len(digests), size=decoding.size, digest=key, resize=decoding.resize, shard_rows=decoding.shard_rows)


def decode_missing(
    images: Images, digests: Sequence[str], pixels: Pixels, decoding: Decoding, on_progress: Callable[[int, int], None]
) -> Iterator[int]:
    """Yield each shard once its pixels are on disk; threads decode the next shard in the meantime.

    Args:
        images: the images to read, one row per record.
        digests: of the images when they were catalogued.
        pixels: the array to write.
        decoding: size, resizing and threads.
        on_progress: called with the images done and the total; not called if nothing is missing.

    Raises:
        DataError: an image has changed since it was catalogued; its shard stays missing.
    """
    array, missing = pixels.array, pixels.array.missing()
    yield from sorted(set(range(array.shards)).difference(missing))
    if not missing:
        return
    total = sum(stop - start for start, stop in map(array.bounds, missing))
    on_progress(0, total)
    steps = itertools.count(1)
    pool = ThreadPoolExecutor(decoding.threads)
    try:
        ahead: deque[tuple[int, Iterator[Decoded]]] = deque()
        for shard in missing:
            ahead.append((shard, pool.map(partial(_decode_row, images, digests, decoding), range(*array.bounds(shard)))))
            if len(ahead) > 1:
                yield _write_shard(pixels, *ahead.popleft(), lambda: on_progress(next(steps), total))
        yield _write_shard(pixels, *ahead.popleft(), lambda: on_progress(next(steps), total))
    finally:  # Ctrl-C must not wait for a thousand images
        pool.shutdown(cancel_futures=True)
        dismiss_helpers()


def time_decoding(images: Images, digests: Sequence[str], decoding: Decoding) -> float:
    """Return the seconds that an image takes, from decoding a sample without writing it."""
    rows = np.linspace(0, len(images.records) - 1, min(len(images.records), TIMED_IMAGES)).astype(int).tolist()
    start = time.perf_counter()
    with ThreadPoolExecutor(decoding.threads) as pool:
        deque(pool.map(partial(_decode_row, images, digests, decoding), rows), maxlen=0)
    dismiss_helpers()
    return (time.perf_counter() - start) / len(rows)


def _write_shard(pixels: Pixels, shard: int, results: Iterator[Decoded], on_step: Callable[[], None]) -> int:
    files: list[tuple[object, ...] | str] = []
    black = np.zeros((1, pixels.size, pixels.size), dtype=np.uint8)

    def blocks() -> Iterator[NDArray[np.uint8]]:
        for result in results:
            if isinstance(result, DataError):
                files.append(str(result))
                yield black
            else:
                image, facts = result
                files.append(astuple(facts))
                yield image[None]
            on_step()

    pixels.array.write(shard, blocks(), note=files)
    return shard


def _decode_row(images: Images, digests: Sequence[str], decoding: Decoding, row: int) -> Decoded:
    """Decode the image of a row; raise DataError if its digest has changed, because the pixels are stored under that."""
    key, failure = images.records[row].key, None
    try:
        data = read_image(images, key)
        digest = digest_of(data)
    except Exception as error:  # a plugin's reader may raise anything
        digest, failure = digest_of_unreadable(error), DataError(reading_failure(error))
    if digest != digests[row]:
        now = f" (now: {failure})" if failure else ""
        raise DataError(f"{as_line(key)} changed while the run was reading it{now}: run again when no program writes to it")
    if failure:
        return failure
    try:
        return examine(data, size=decoding.size, resize=decoding.resize)
    except DataError as error:
        return error
