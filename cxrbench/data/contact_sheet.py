"""Draw a few images of each class and split on one sheet, to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cxrbench.data.decoding.decode import examine
from cxrbench.data.decoding.helper import dismiss_helpers
from cxrbench.data.decoding.image_bytes import read_image, reading_failure
from cxrbench.data.overview import SPLITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from cxrbench.plugin.contracts import Images, Record

TILE = 192
"""Height and width of an image on the sheet in pixels."""
PER_ROW = 6
GAP, HEADING = 6, 24
PAPER, INK, EMPTY = 255, 0, 225
"""Greys."""


def sheet_rows(images: Images) -> list[tuple[str, list[Record]]]:
    """Return a heading and a few records for each class and split: of different patients, evenly spaced in their order."""
    names = images.class_names
    rows = []
    for label, name in enumerate((names.negative, names.positive)):
        for split in SPLITS:
            records = [record for record in images.records if (record.label, record.split or "") == (label, split)]
            if records:
                heading = f"{name}{f', {split}' if split else ''}: {len(records):,} image{'s' * (len(records) > 1)}"
                rows.append((heading, _spread(list({record.patient: record for record in records}.values()))))
    return rows


def draw_sheet(
    images: Images, rows: Sequence[tuple[str, Sequence[Record]]], on_unreadable: Callable[[str, str], None]
) -> Image.Image:
    """Draw a row of images below each heading.

    Args:
        images: the dataset.
        rows: from `sheet_rows`.
        on_unreadable: called with the key of an image that cannot be read, and the reason; its place on the sheet is empty.
    """
    width = GAP + PER_ROW * (TILE + GAP)
    height = GAP + len(rows) * (HEADING + TILE + GAP)
    sheet = Image.new("L", (width, height), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for number, (heading, records) in enumerate(rows):
        top = GAP + number * (HEADING + TILE + GAP)
        pen.text((GAP, top), heading, fill=INK, font=font)
        for column, tile in enumerate(_tiles(images, records, on_unreadable)):
            sheet.paste(Image.fromarray(tile), (GAP + column * (TILE + GAP), top + HEADING))
    dismiss_helpers()
    return sheet


def _spread(records: Sequence[Record]) -> list[Record]:
    return [records[place] for place in np.linspace(0, len(records) - 1, min(PER_ROW, len(records))).astype(int)]


def _tiles(images: Images, records: Sequence[Record], on_unreadable: Callable[[str, str], None]) -> Iterator[NDArray[np.uint8]]:
    for record in records:
        try:
            yield examine(read_image(images, record.key), size=TILE, resize="pad")[0]
        except Exception as error:  # a plugin's reader may raise anything
            on_unreadable(record.key, reading_failure(error))
            yield np.full((TILE, TILE), EMPTY, dtype=np.uint8)
