"""Draw a map over its image. One colour scale serves all images of a call, so that colours can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

POSITIVE, NEGATIVE = (214, 40, 40), (33, 102, 210)
"""Colours of what speaks for the positive and for the negative class."""
MOST_COLOUR = 0.6
"""Opacity of the colour at the end of the scale; at 0 the image is bare."""
PERCENTILE = 99
SIDE = 448
LINE, MARGIN = 20, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Legend:
    """What is written below an image.

    Attributes:
        negative, positive: class names.
        limit: value of the full colour, in logits.
        caption: about this image.
    """

    negative: str
    positive: str
    limit: float
    caption: str


def common_limit(maps: Sequence[NDArray[np.float64]]) -> float:
    """Return the value of the full colour: the 99th percentile of the absolute values of all maps."""
    values = np.concatenate([np.abs(one).ravel() for one in maps])
    return float(np.percentile(values, PERCENTILE)) or 1.0


def overlay(image: NDArray[np.uint8], values: NDArray[np.float64], legend: Legend) -> Image.Image:
    """Return a grey image, uint8 ``[s, s]``, under its map ``[h, w]``, with a legend below."""
    canvas = Image.new("RGB", (SIDE, SIDE + 2 * LINE + 3 * MARGIN), "white")
    canvas.paste(coloured(image, values, legend.limit, SIDE))
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=13)
    top, half = SIDE + MARGIN, (SIDE - 4 * MARGIN) // 2
    negative = _fitting(f"-{legend.limit:.2g} {legend.negative}", font, half)
    positive = _fitting(f"+{legend.limit:.2g} {legend.positive}", font, half)
    draw.text((MARGIN, top), negative, NEGATIVE, font)
    draw.text((SIDE - MARGIN - font.getlength(positive), top), positive, POSITIVE, font)
    draw.text((MARGIN, top + LINE), _fitting(legend.caption, font, SIDE - 2 * MARGIN), "black", font)
    return canvas


def _fitting(text: str, font: Any, width: int) -> str:
    """Return text as one line that is at most so wide; what does not fit is cut off."""
    line = as_line(text)[: width // 3]  # measuring takes time, and few letters are narrower than three pixels
    while font.getlength(line) > width:
        line = line[:-1]
    return line


def coloured(image: NDArray[np.uint8], values: NDArray[np.float64], limit: float, side: int) -> Image.Image:
    """Return a grey image, uint8 ``[s, s]``, under its map ``[h, w]``, whose full colour is at `limit`, in `side` pixels."""
    grey = np.asarray(enlarged(image, side), dtype=np.float64)[..., None]
    smooth = Image.fromarray(values.astype(np.float32)).resize((side, side), Image.Resampling.BILINEAR)
    strength = np.clip(np.asarray(smooth, dtype=np.float64)[..., None] / limit, -1, 1)
    colour = np.where(strength > 0, POSITIVE, NEGATIVE)
    opacity = MOST_COLOUR * np.abs(strength)
    return Image.fromarray(((1 - opacity) * grey + opacity * colour).round().astype(np.uint8))


def enlarged(image: NDArray[np.uint8], side: int) -> Image.Image:
    """Return a grey image, uint8 ``[s, s]``, in `side` pixels."""
    return Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
