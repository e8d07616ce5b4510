"""Catalogue a dataset (records and digests of all images), then load it once its images are decoded."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.blank import blank_copies
from cxrbench.data.collections import collections_of
from cxrbench.data.columns import measured_groups
from cxrbench.data.decoding.facts import FileFacts
from cxrbench.data.decoding.image_bytes import UNREADABLE
from cxrbench.data.decoding.pixels import Decoding, Pixels, decode_missing, image_digests, pixels_of, time_decoding
from cxrbench.data.groups import numbered, united
from cxrbench.errors import DataError
from cxrbench.plugin.contracts import ClassNames
from cxrbench.storage.files import digest_each
from cxrbench.storage.safe_text import as_line, is_unicode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from dataclasses import Field

    from numpy.typing import NDArray

    from cxrbench.plugin.contracts import Images, LicenceClass, Record


FINGERPRINTED_FIELDS = frozenset({"key", "label", "patient", "split", "view", "age", "sex", "site", "source"})
"""The fields of a record that every fingerprint covers. A field that is added later counts only where it is set, so that the
fingerprints of existing datasets stay the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """A dataset whose images are read, but not decoded.

    Attributes:
        fingerprint: changes with any record and with any byte of any image.
        digests: a digest of each image's bytes.
    """

    images: Images
    decoding: Decoding
    pixels: Pixels
    fingerprint: str
    digests: tuple[str, ...]

    def decode(self, on_progress: Callable[[int, int], None] = lambda done, total: None) -> Iterator[int]:
        """Yield each shard of pixels once it is on disk; call `on_progress` with the images done and the total."""
        return decode_missing(self.images, self.digests, self.pixels, self.decoding, on_progress)

    def time_decoding(self) -> float:
        """Return the seconds that decoding one image takes, from a sample; nothing is written."""
        return time_decoding(self.images, self.digests, self.decoding)

    def skipped(self) -> tuple[tuple[str, str], ...]:
        """Return key and reason of each unreadable image, as far as images are decoded."""
        return tuple((self.images.records[row].key, reason) for row, reason in self.pixels.unreadable().items())


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedDataset:
    """The readable images of a dataset.

    Attributes:
        rows: int ``[images]``, the row of each record in the pixels and in all features.
        skipped: key and reason of each unreadable image.
        digests: a digest of each image's bytes; empty if unknown.
        files: properties of each image file; empty if unknown.
        blank_copies: rows of the files that show nothing and have the pixels of another; such files are not one image.
        class_names: the names of labels 0 and 1.
        licence_class: what the licence of the images allows.
        measured_groups: by column, the group of each image, text ``[rows]``, by which test images are also measured.
        collections: the public collections that the images are from.
        leaks: why no split can keep the images of a patient on one side, as the dataset declares.
    """

    name: str
    records: tuple[Record, ...]
    rows: NDArray[np.int64] = field(compare=False)
    pixels: Pixels
    fingerprint: str
    skipped: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    digests: tuple[str, ...] = ()
    files: tuple[FileFacts, ...] = ()
    blank_copies: tuple[int, ...] = ()
    class_names: ClassNames = field(default_factory=ClassNames)
    licence_class: LicenceClass = "undeclared"
    measured_groups: Mapping[str, NDArray[np.str_]] = field(default_factory=dict, compare=False)
    collections: tuple[str, ...] = ()
    leaks: tuple[str, ...] = ()

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
        """A number per image, int ``[rows]``.

        Images with the same pixels share it, unless they show nothing; without decoded images, those with the same bytes.
        """
        names = [file.pixels for file in self.files] or list(self.digests)
        for row in self.blank_copies:
            names[row] += f" {row}"
        return numbered(names) if names else np.arange(len(self.records))

    @property
    def groups(self) -> NDArray[np.int64]:
        """A group number per image, int ``[rows]``: patients, merged if they share an image with the same pixels."""
        return united(numbered(self.patients), self.image_groups)


def catalogue_images(images: Images, decoding: Decoding, on_read: Callable[[], None] = lambda: None) -> Catalogue:
    """Read every image; raise DataError if a key is not unique or a label is neither 0 nor 1.

    `on_read` is called after each image.
    """
    check_records(images.records)
    digests, readings = image_digests(images, decoding.threads, on_read)
    fingerprinted = ([record_values(record), digest] for record, digest in zip(images.records, digests, strict=True))
    return Catalogue(
        images=images,
        decoding=decoding,
        pixels=pixels_of(digests, decoding, readings),
        fingerprint=digest_each(fingerprinted),
        digests=digests,
    )


def record_values(record: Record) -> dict[str, object]:
    """Return the values of a record that the fingerprint covers, by field."""
    values = {each: getattr(record, each.name) for each in fields(record)}
    return {
        each.name: value for each, value in values.items() if each.name in FINGERPRINTED_FIELDS or value != _default_of(each)
    }


def _default_of(record_field: Field[object]) -> object:
    return record_field.default if record_field.default_factory is MISSING else record_field.default_factory()


def load_dataset(catalogue: Catalogue) -> LoadedDataset:
    """Return the dataset of decoded images; raise DataError if none could be read."""
    images = catalogue.images
    files = {row: file for row, file in catalogue.pixels.files().items() if isinstance(file, FileFacts)}
    skipped = catalogue.skipped()
    if not files:
        key, reason = skipped[0]
        raise DataError(
            f"{images.name}: none of the {len(skipped)} files could be read as an image; the first: {as_line(key)} {reason}"
        )
    rows = np.array(list(files), dtype=np.int64)
    blank = blank_copies(catalogue.pixels, rows, list(files.values()))
    records = tuple(images.records[row] for row in files)
    groups, of_groups = measured_groups(records)
    return LoadedDataset(
        name=images.name,
        records=records,
        rows=rows,
        pixels=catalogue.pixels,
        fingerprint=catalogue.fingerprint,
        skipped=skipped,
        warnings=(*images.warnings, *of_groups),
        digests=tuple(catalogue.digests[row] for row in files),
        files=tuple(files.values()),
        blank_copies=tuple(np.flatnonzero(blank).tolist()),
        class_names=images.class_names,
        licence_class=images.licence_class,
        measured_groups=groups,
        collections=collections_of(images),
        leaks=images.leaks,
    )


def tabled_dataset(images: Images, decoding: Decoding) -> LoadedDataset:
    """Return the dataset as its records tell it, without a look at any image; raise DataError as `catalogue_images` does.

    Images that patients share are not known: every image is one of its own.
    """
    check_records(images.records)
    rows = len(images.records)
    return LoadedDataset(
        name=images.name,
        records=tuple(images.records),
        rows=np.arange(rows),
        pixels=Pixels(rows=rows, size=decoding.size, digest="", resize=decoding.resize),
        fingerprint="",
        skipped=(),
        warnings=tuple(images.warnings),
        class_names=images.class_names,
        licence_class=images.licence_class,
        collections=collections_of(images),
        leaks=images.leaks,
    )


def listed_dataset(catalogue: Catalogue) -> LoadedDataset:
    """Return the dataset of images that are read, but not decoded; raise DataError if none could be read."""
    images, digests = catalogue.images, catalogue.digests
    unread = {row for row, digest in enumerate(digests) if digest.startswith(UNREADABLE)}
    rows = [row for row in range(len(digests)) if row not in unread]
    if not rows:
        key = as_line(images.records[0].key)
        raise DataError(f"{images.name}: none of the {len(digests)} files could be read, the first of which is {key}")
    return LoadedDataset(
        name=images.name,
        records=tuple(images.records[row] for row in rows),
        rows=np.array(rows, dtype=np.int64),
        pixels=catalogue.pixels,
        fingerprint=catalogue.fingerprint,
        skipped=tuple((images.records[row].key, "could not be read") for row in sorted(unread)),
        warnings=tuple(images.warnings),
        digests=tuple(digests[row] for row in rows),
        class_names=images.class_names,
        licence_class=images.licence_class,
        collections=collections_of(images),
        leaks=images.leaks,
    )


def check_records(records: Sequence[Record]) -> None:
    """Raise DataError if there are no records, a key is not unique or no text, or a label is neither 0 nor 1."""
    if not records:
        raise DataError("the dataset has no images")
    seen: set[str] = set()
    for record in records:
        if record.key in seen:
            raise DataError(f"two images have the key {record.key!r}: the dataset plugin must give every image a unique key")
        if not is_unicode(record.key):
            raise DataError(f"the key {record.key!r} is not valid Unicode: the dataset plugin must escape it")
        if record.label not in {0, 1}:
            raise DataError(f"{as_line(record.key)}: label {record.label!r} is neither 0 nor 1")
        seen.add(record.key)
