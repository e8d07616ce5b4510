"""Which images the models of a protocol learnt from, beside the models: digests by part, and counts of what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cxrbench.config.fields import Count, Hash, Line, Name
from cxrbench.leaderboard.store.stored import Stored
from cxrbench.storage.files import write_json
from cxrbench.storage.json_records import read_record
from cxrbench.storage.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
LevelCounts = dict[Name, dict[Line, tuple[Count, Count]]]
"""By attribute (view, age, sex, site, source) and level: negative and positive images."""


class FileRanges(Stored):
    """What the files of the images of one part have in common, to tell which new images are unlike them.

    Attributes:
        aspect: the smallest and the largest width / height.
        shortest_side: the smallest of the shorter sides, in pixels.
        colour: whether any of them shows colours.
        deep: whether any of them has more than 8 bits per pixel.
    """

    aspect: tuple[float, float]
    shortest_side: Count
    colour: bool
    deep: bool

    @classmethod
    def over(cls, ranges: Sequence[FileRanges]) -> FileRanges:
        """Return the ranges of several parts together."""
        return cls(
            aspect=(min(one.aspect[0] for one in ranges), max(one.aspect[1] for one in ranges)),
            shortest_side=min(one.shortest_side for one in ranges),
            colour=any(one.colour for one in ranges),
            deep=any(one.deep for one in ranges),
        )


class PartRecord(Stored):
    """One part of a fold.

    Attributes:
        negative, positive, patients: how many there are.
        files: what their files have in common; None in records of earlier versions.
        levels: of the attributes that are known for some of its images.
        digests: of each image: the SHA-256 of its file, or shape and SHA-256 of its pixels where there is no file.
        pixels: of each image: a digest of its decoded pixels.
    """

    negative: Count
    positive: Count
    patients: Count
    levels: LevelCounts
    files: FileRanges | None = None
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
