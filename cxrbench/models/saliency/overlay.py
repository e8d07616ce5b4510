"""Draw a map over its image. One colour scale serves all images of a call, so that colours can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

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
    canvas.paste(_coloured(image, values, legend.limit))
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=13)
    scale = f"-{legend.limit:.2g} {legend.negative}", f"{legend.positive} +{legend.limit:.2g}"
    top = SIDE + MARGIN
    draw.text((MARGIN, top), scale[0], NEGATIVE, font)
    draw.text((SIDE - MARGIN, top), scale[1], POSITIVE, font, anchor="ra")
    draw.text((MARGIN, top + LINE), legend.caption, "black", font)
    return canvas


def _coloured(image: NDArray[np.uint8], values: NDArray[np.float64], limit: float) -> Image.Image:
    grey = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.float64)[..., None]
    smooth = Image.fromarray(values.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    strength = np.clip(np.asarray(smooth, dtype=np.float64)[..., None] / limit, -1, 1)
    colour = np.where(strength > 0, POSITIVE, NEGATIVE)
    opacity = MOST_COLOUR * np.abs(strength)
    return Image.fromarray(((1 - opacity) * grey + opacity * colour).round().astype(np.uint8))
