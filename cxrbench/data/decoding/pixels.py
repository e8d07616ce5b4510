"""Decode images once into an array on disk that every process can map, shard by shard."""

from __future__ import annotations

import itertools
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from cxrbench.data.decoding.contents import digest_of, digest_of_none, read_content
from cxrbench.data.decoding.decode import DECODER, examine
from cxrbench.data.decoding.dicom import dicom_decoder, is_dicom
from cxrbench.data.decoding.facts import FileFacts
from cxrbench.data.decoding.helper import dismiss_helpers
from cxrbench.data.decoding.reasons import reason
from cxrbench.errors import DataError
from cxrbench.execution.failures import failure_reason
from cxrbench.storage.files import digest_each, home
from cxrbench.storage.safe_text import as_line
from cxrbench.storage.sharded_array import SHARD_ROWS, ShardedArray

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
    def array(self) -> ShardedArray:
        """The array on disk."""
        return ShardedArray(folder=home() / "images" / self.digest, rows=self.rows, dtype="uint8")

    def files(self) -> dict[int, FileFacts | str]:
        """Return what each row's file was, or why it could not be read, as far as shards are on disk."""
        names = [field.name for field in fields(FileFacts)]
        found: dict[int, FileFacts | str] = {}
        for shard, listed in self.array.notes().items():
            for row, known in enumerate(listed, self.array.bounds(shard)[0]):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What was read of a dataset before anything is decoded.

    Attributes:
        digests: the SHA-256 of each image's bytes or pixels, or why it cannot be read.
        dicom: whether DICOM is among them, whose pixels depend on more packages than those of other files.
    """

    digests: tuple[str, ...]
    dicom: bool


def content_digests(images: Images, threads: int) -> Contents:
    """Read every image's content."""

    def look(key: str) -> tuple[str, bool]:
        try:
            content = read_content(images, key)
            return digest_of(content), isinstance(content, bytes) and is_dicom(content)
        except Exception as error:  # decoding must meet it again, and gives the reason
            return digest_of_none(error), False

    keys = [record.key for record in images.records]
    with ThreadPoolExecutor(threads) as pool:  # shard by shard, because each waiting call takes memory
        looked = [
            found for start in range(0, len(keys), SHARD_ROWS) for found in pool.map(look, keys[start : start + SHARD_ROWS])
        ]
    return Contents(digests=tuple(digest for digest, _ in looked), dicom=any(dicom for _, dicom in looked))


def pixels_of(images: Images, contents: Contents, decoding: Decoding) -> Pixels:
    """Return where the pixels of images lie, or will lie when they are decoded."""
    decoders = [DECODER, *([dicom_decoder()] if contents.dicom else [])]
    key = digest_each([[*decoders, decoding.size, decoding.resize, SHARD_ROWS], *contents.digests])
    return Pixels(rows=len(images.records), size=decoding.size, digest=key, resize=decoding.resize)


def decode_missing(
    images: Images, digests: Sequence[str], pixels: Pixels, decoding: Decoding, on_progress: Callable[[int, int], None]
) -> Iterator[int]:
    """Yield each shard as soon as its pixels are on disk; threads decode the next one in the meantime.

    Args:
        images: what to read, a row for each record.
        digests: of what was read before, which names the place where the pixels go.
        pixels: where they go.
        decoding: size, resizing and threads.
        on_progress: called with images done and images in all; not called if nothing is missing.

    Raises:
        DataError: what is read is not what was read before; the shard with it is missing still.
    """
    films, missing = pixels.array, pixels.array.missing()
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
            ahead.append((shard, pool.map(partial(_film_of, images, digests, decoding), range(*films.bounds(shard)))))
            if len(ahead) > 1:
                yield _store(pixels, *ahead.popleft(), lambda: on_progress(next(steps), total))
        yield _store(pixels, *ahead.popleft(), lambda: on_progress(next(steps), total))
    finally:  # nobody who interrupts waits for a thousand images
        pool.shutdown(cancel_futures=True)
        dismiss_helpers()


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

    pixels.array.write(shard, blocks(), note=files)
    return shard


def _film_of(images: Images, digests: Sequence[str], decoding: Decoding, row: int) -> Examined:
    """Examine an image; raise DataError if its content is not what its digest says, for its pixels are kept under that."""
    key, failure = images.records[row].key, None
    try:
        content = read_content(images, key)
        digest = digest_of(content)
    except Exception as error:  # a plugin's reader may raise anything
        digest, failure = digest_of_none(error), DataError(_failure(error))
    if digest != digests[row]:
        now = f" (now: {failure})" if failure else ""
        raise DataError(f"{as_line(key)} changed while the run was reading it{now}: run again when nobody writes to it")
    if failure:
        return failure
    try:
        return examine(content, size=decoding.size, resize=decoding.resize)
    except DataError as error:
        return error


def _failure(error: Exception) -> str:
    """Return why a plugin's reader, or the system, does not give the content."""
    return reason(error) if isinstance(error, OSError | DataError) else failure_reason(error)
