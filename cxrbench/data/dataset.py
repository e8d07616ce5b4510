"""Datasets: catalogued from what their plugin says and the contents' digests, then loaded when their images are decoded."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.decoding.facts import FileFacts
from cxrbench.data.decoding.pixels import Decoding, Pixels, content_digests, decode_missing, pixels_of
from cxrbench.data.groups import numbered, united
from cxrbench.errors import DataError
from cxrbench.plugin.contracts import ClassNames
from cxrbench.storage.files import digest_each
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.plugin.contracts import Images, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """A dataset whose every image was read, but not decoded.

    Attributes:
        fingerprint: changes with any record and with any byte of any image.
        contents: a digest of each image's bytes.
    """

    images: Images
    decoding: Decoding
    pixels: Pixels
    fingerprint: str
    contents: tuple[str, ...]

    def decode(self, on_progress: Callable[[int, int], None] = lambda done, total: None) -> Iterator[int]:
        """Yield each shard of pixels as soon as it is on disk; `on_progress` hears of images done and images in all."""
        return decode_missing(self.images, self.contents, self.pixels, self.decoding, on_progress)

    def skipped(self) -> tuple[tuple[str, str], ...]:
        """Return key and reason of each image that could not be read, of those that were decoded."""
        return tuple((self.images.records[row].key, reason) for row, reason in self.pixels.unreadable().items())


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedDataset:
    """The images that could be read.

    Attributes:
        rows: int ``[images]``, where in the pixels, and so in all features, each record's image lies.
        skipped: key and reason of each image that could not be read.
        contents: a digest of each image's bytes; empty where nobody knows.
        files: what each image's file was; empty where nobody knows.
        class_names: what labels 0 and 1 are called.
    """

    name: str
    records: tuple[Record, ...]
    rows: NDArray[np.int64] = field(compare=False)
    pixels: Pixels
    fingerprint: str
    skipped: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    contents: tuple[str, ...] = ()
    files: tuple[FileFacts, ...] = ()
    class_names: ClassNames = field(default_factory=ClassNames)

    @property
    def labels(self) -> NDArray[np.int64]:
        """The labels, int ``[rows]``."""
        return np.array([record.label for record in self.records], dtype=np.int64)

    @property
    def patients(self) -> NDArray[np.str_]:
        """The patients, text ``[rows]``."""
        return np.array([record.patient for record in self.records])

    @property
    def image_groups(self) -> NDArray[np.int64]:
        """A number for each image, int ``[rows]``, the same for images with the same pixels."""
        return numbered([file.pixels for file in self.files]) if self.files else np.arange(len(self.records))

    @property
    def groups(self) -> NDArray[np.int64]:
        """A number for each image, int ``[rows]``: patients, united where they share an image with the same pixels."""
        return united(numbered(self.patients), self.image_groups)


def catalogue_images(images: Images, decoding: Decoding) -> Catalogue:
    """Read every image's content; raise DataError on keys that are not unique and on labels that are not 0 or 1."""
    _check_records(images.records)
    contents = content_digests(images, decoding.threads)
    known = ([asdict(record), content] for record, content in zip(images.records, contents.digests, strict=True))
    return Catalogue(
        images=images,
        decoding=decoding,
        pixels=pixels_of(images, contents, decoding),
        fingerprint=digest_each(known),
        contents=contents.digests,
    )


def load_dataset(catalogue: Catalogue) -> LoadedDataset:
    """Return the dataset of decoded images; raise DataError if not one of them could be read."""
    images, known = catalogue.images, catalogue.pixels.files()
    files = {row: file for row, file in known.items() if isinstance(file, FileFacts)}
    skipped = catalogue.skipped()
    if not files:
        key, reason = skipped[0]
        raise DataError(
            f"{images.name}: none of {len(skipped)} files could be read as an image; the first: {as_line(key)} {reason}"
        )
    return LoadedDataset(
        name=images.name,
        records=tuple(images.records[row] for row in files),
        rows=np.array(list(files), dtype=np.int64),
        pixels=catalogue.pixels,
        fingerprint=catalogue.fingerprint,
        skipped=skipped,
        warnings=tuple(images.warnings),
        contents=tuple(catalogue.contents[row] for row in files),
        files=tuple(files.values()),
        class_names=images.class_names,
    )


def _check_records(records: Sequence[Record]) -> None:
    if not records:
        raise DataError("the dataset holds no images")
    seen: set[str] = set()
    for record in records:
        if record.key in seen:
            raise DataError(f"two images have the key {record.key!r}: a dataset plugin must give each image its own")
        if not _is_text(record.key):
            raise DataError(f"the key {record.key!r} is no Unicode text: a dataset plugin must escape what cannot be written")
        if record.label not in {0, 1}:
            raise DataError(f"{as_line(record.key)}: label {record.label!r} is neither 0 (normal) nor 1 (pneumonia)")
        seen.add(record.key)


def _is_text(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:  # half of a sign, which stands for a byte of a file name that is no UTF-8
        return False
    return True
