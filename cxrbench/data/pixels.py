"""Decode images once into an array on disk that every process can map."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from cxrbench.data.decode import DECODER, decode
from cxrbench.errors import DataError
from cxrbench.files import digest, home, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.plugin.contracts import Images

CHUNK = 1024
"""Images in flight at once, so that memory does not grow with their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """Decoded images on disk: uint8 ``[rows, size, size]``, grey."""

    path: Path
    rows: int
    size: int
    digest: str

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return some rows, mapped from disk."""
        return np.memmap(self.path, dtype=np.uint8, mode="r", shape=(self.rows, self.size, self.size))[start:stop]


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

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(digest_of, (record.key for record in images.records)))


def decode_images(
    images: Images, digests: Sequence[str], decoding: Decoding, on_progress: Callable[[int, int], None]
) -> tuple[Pixels, dict[str, str]]:
    """Return the pixels of the readable images, and key and reason of each of the others.

    Args:
        images: what to read, in this order.
        digests: what `content_digests` returned for them.
        decoding: size, resizing and threads.
        on_progress: called with images done and images in all; not called if an earlier run decoded the same images.
    """
    key = digest([DECODER, decoding.size, decoding.resize, list(digests)])
    folder = home() / "images" / key
    index = folder / "index.json"
    if not index.is_file():
        _fill(folder, images, decoding, on_progress)
    skipped = {images.records[row].key: reason for row, reason in json.loads(index.read_text(encoding="utf-8"))["skipped"]}
    rows = len(images.records) - len(skipped)
    return Pixels(path=folder / "pixels.raw", rows=rows, size=decoding.size, digest=key), skipped


def _fill(folder: Path, images: Images, decoding: Decoding, on_progress: Callable[[int, int], None]) -> None:
    """Make `folder` with the pixels and the list of images that could not be read; it appears whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    workplace = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".decoding-"))
    skipped: list[tuple[int, str]] = []
    on_progress(0, len(images.records))
    try:
        with (workplace / "pixels.raw").open("wb") as file:
            for row, film in enumerate(_decoded(images, decoding)):
                if isinstance(film, DataError):
                    skipped.append((row, str(film)))
                else:
                    file.write(film.data)
                on_progress(row + 1, len(images.records))
        write_json(workplace / "index.json", {"schema_version": 1, "decoder": DECODER, "skipped": skipped})
        _move_into_place(workplace, folder)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _decoded(images: Images, decoding: Decoding) -> Iterator[NDArray[np.uint8] | DataError]:
    def film_of(key: str) -> NDArray[np.uint8] | DataError:
        try:
            return decode(images.read(key), size=decoding.size, resize=decoding.resize)
        except DataError as error:
            return error
        except Exception as error:  # a plugin's reader may raise anything
            return DataError(getattr(error, "strerror", "") or f"{type(error).__name__}: {error}")

    keys = [record.key for record in images.records]
    with ThreadPoolExecutor(decoding.threads) as pool:
        for start in range(0, len(keys), CHUNK):
            yield from pool.map(film_of, keys[start : start + CHUNK])


def _move_into_place(workplace: Path, folder: Path) -> None:
    try:
        workplace.rename(folder)
    except OSError:
        if not (folder / "index.json").is_file():  # otherwise another process decoded the same images first
            raise
