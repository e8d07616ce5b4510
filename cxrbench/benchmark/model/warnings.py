"""Say why the score of an image may not hold: it is unlike the images that the model learnt from, or is one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cxrbench.data.audit.oddities import ENLARGEMENT, EXTREME_ASPECT
from cxrbench.data.blank import SIDE, blank_images
from cxrbench.data.decoding.dicom_view import is_frontal
from cxrbench.data.decoding.raster import box_within_padding
from cxrbench.data.thumbnails import thumbnail

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.data.decoding.facts import FileFacts
    from cxrbench.leaderboard.store.image_record import FileRanges, Part
    from cxrbench.leaderboard.store.model_record import ModelRecord

PART_NAMES: dict[Part, str] = {"train": "training", "validation": "validation", "test": "test"}
BLANK = "shows nothing: it is empty, of one grey level or of a few flat areas"
SAME_ASPECT = 1.02
"""Factor by which width / height may lie outside: an image that is saved smaller is rounded to whole pixels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadImage:
    """An image that could be read and decoded.

    Attributes:
        part: of the images that the model learnt from, if the image is one of them.
        view: the view position in its header, or empty.
        pixels: uint8 ``[size, size]``.
        facts: properties of its file.
    """

    part: Part | None
    view: str
    pixels: NDArray[np.uint8]
    facts: FileFacts


def warnings_of(record: ModelRecord, images: Sequence[ReadImage]) -> list[tuple[str, ...]]:
    """Return what must be known about the score of each image."""
    training = record.images["train"]
    views = {level.upper() for level in training.levels.get("view", {})}
    blank = blank_images(np.stack([_thumbnail(image, record.protocol.resize) for image in images]))
    return [
        (
            *([f"is one of this model's {PART_NAMES[image.part]} images"] if image.part else ()),
            *_view_warnings(image.view, views),
            *([BLANK] if is_blank else ()),
            *_file_warnings(image.facts, training.files, len(image.pixels)),
        )
        for image, is_blank in zip(images, blank, strict=True)
    ]


def _thumbnail(image: ReadImage, resize: Literal["stretch", "pad"]) -> NDArray[np.uint8]:
    facts, size = image.facts, len(image.pixels)
    return thumbnail(image.pixels, SIDE, box_within_padding(facts.width, facts.height, size) if resize == "pad" else None)


def _view_warnings(view: str, learnt: set[str]) -> Iterator[str]:
    if not view or view.upper() in learnt:
        return
    if not is_frontal(view):
        yield f"view {view}: not frontal"
    elif known := sorted(level for level in learnt if is_frontal(level)):
        yield f"view {view}: the training images are {', '.join(known)}"


def _file_warnings(facts: FileFacts, training: FileRanges | None, size: int) -> Iterator[str]:
    """Compare the file with those of the training images; without these, judge it alone."""
    low, high = training.aspect if training else (1 / EXTREME_ASPECT, EXTREME_ASPECT)
    if not low / SAME_ASPECT <= facts.width / facts.height <= high * SAME_ASPECT:
        usual = f"that of the training images is {low:.2f} to {high:.2f}" if training else f"which is more than {high:g} to 1"
        yield f"width / height is {facts.width / facts.height:.2f}, {usual}"
    if facts.shortest_side * ENLARGEMENT < size and not (training and training.shortest_side <= facts.shortest_side):
        yield f"tiny: {facts.width} x {facts.height} pixels, enlarged to {size}"
    if facts.colour and not (training and training.colour):
        yield "in colour, converted to grey"
    if facts.is_deep and training and not training.deep:
        yield f"{facts.bits} bits per pixel, scaled to 8; the training images have 8"
