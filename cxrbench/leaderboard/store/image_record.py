"""Which images the models of a protocol learnt from, beside the models: digests by part, and counts of what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cxrbench.config.fields import Count, Hash, Line, Name
from cxrbench.leaderboard.store.entry import Stored
from cxrbench.storage.files import write_json
from cxrbench.storage.json_records import read_record
from cxrbench.storage.schema import Schema

if TYPE_CHECKING:
    from pathlib import Path

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
LevelCounts = dict[Name, dict[Line, tuple[Count, Count]]]
"""By attribute (view, age, sex, site, source) and level: negative and positive images."""


class PartRecord(Stored):
    """One part of a fold.

    Attributes:
        negative, positive, patients: how many there are.
        levels: of the attributes that are known for some of its images.
        digests: of each image: the SHA-256 of its file, or shape and SHA-256 of its pixels where there is no file.
        pixels: of each image: a digest of its decoded pixels.
    """

    negative: Count
    positive: Count
    patients: Count
    levels: LevelCounts
    digests: tuple[Line, ...]
    pixels: tuple[Hash, ...]


class ImageRecord(Stored):
    """The images of a protocol.

    Attributes:
        fingerprint: of the dataset.
        folds: the parts of each fold.
    """

    schema_version: Literal[1] = 1
    fingerprint: Hash
    folds: tuple[dict[Part, PartRecord], ...]


IMAGES = Schema(what="record of images", model=ImageRecord, version=1)


def write_images(path: Path, record: ImageRecord) -> None:
    """Write the record as JSON."""
    write_json(path, record.model_dump(mode="json"))


def read_images(path: Path, *, within: Path) -> ImageRecord:
    """Read the record; raise CxrbenchError if it is missing or invalid."""
    return read_record(path, IMAGES, within=within)
