"""Load a dataset: records from its plugin, pixels decoded, a fingerprint of the whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.pixels import Decoding, Pixels, content_digests, decode_images
from cxrbench.errors import DataError
from cxrbench.files import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from cxrbench.plugin.contracts import Images, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedDataset:
    """The images that could be read, in the order of their pixels.

    Attributes:
        fingerprint: changes with any record and with any byte of any image.
        skipped: key and reason of each image that could not be read.
    """

    name: str
    records: tuple[Record, ...]
    pixels: Pixels
    fingerprint: str
    skipped: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]

    @property
    def labels(self) -> NDArray[np.int64]:
        """The labels, int ``[rows]``."""
        return np.array([record.label for record in self.records], dtype=np.int64)

    @property
    def patients(self) -> NDArray[np.str_]:
        """The patients, text ``[rows]``."""
        return np.array([record.patient for record in self.records])


def load_dataset(
    images: Images, decoding: Decoding, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> LoadedDataset:
    """Decode every image once, or find the decoded ones of an earlier run.

    Args:
        images: what a dataset plugin returned.
        decoding: size, resizing and threads.
        on_progress: called with images done and images in all.

    Raises:
        DataError: keys that are not unique, labels that are not 0 or 1, or not one readable image.
    """
    _check_records(images.records)
    digests = content_digests(images, decoding.threads)
    pixels, skipped = decode_images(images, digests, decoding, on_progress)
    kept = [(record, content) for record, content in zip(images.records, digests, strict=True) if record.key not in skipped]
    if not kept:
        key, reason = next(iter(skipped.items()))
        raise DataError(f"{images.name}: none of {len(skipped)} files could be read as an image; the first: {key} {reason}")
    return LoadedDataset(
        name=images.name,
        records=tuple(record for record, _ in kept),
        pixels=pixels,
        fingerprint=digest([[asdict(record), content] for record, content in kept]),
        skipped=tuple(skipped.items()),
        warnings=tuple(images.warnings),
    )


def _check_records(records: Sequence[Record]) -> None:
    if not records:
        raise DataError("the dataset holds no images")
    seen: set[str] = set()
    for record in records:
        if record.key in seen:
            raise DataError(f"two images have the key {record.key!r}: a dataset plugin must give each image its own")
        if record.label not in {0, 1}:
            raise DataError(f"{record.key}: label {record.label!r} is neither 0 (normal) nor 1 (pneumonia)")
        seen.add(record.key)
