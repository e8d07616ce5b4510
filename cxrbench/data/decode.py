"""Decode one image into a grey square of the protocol's size."""

from __future__ import annotations

import hashlib
import io
import warnings
from threading import Lock
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import PIL
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from cxrbench.data.facts import FileFacts
from cxrbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

DECODER = f"pillow-{PIL.__version__} grey-bilinear-3"
"""What the pixels depend on besides the file: part of every cache key."""
GREYISH = 12
"""How far from 128, of 255, both channels of chroma lie in what counts as grey."""

_OPENING = Lock()
"""Python's warning filters belong to the whole process, and images are opened in several threads."""


Source: TypeAlias = "Path | bytes | NDArray[np.uint8]"


def decode(source: Source, *, size: int, resize: Literal["stretch", "pad"]) -> NDArray[np.uint8]:
    """Return the image as uint8 ``[size, size]`` grey; raise DataError with the reason if it cannot be read whole."""
    return examine(source, size=size, resize=resize)[0]


def examine(source: Source, *, size: int, resize: Literal["stretch", "pad"]) -> tuple[NDArray[np.uint8], FileFacts]:
    """Return the image as uint8 ``[size, size]`` grey and what its file was; raise DataError as `decode` does."""
    try:
        with _opened(source) as image:
            (width, height), bits = image.size, _bits(image.mode)  # before a JPEG is decoded at a smaller size
            grey, colour = _grey(image, size)
            film = np.ascontiguousarray(_resized(grey, size, resize))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(_reason(error)) from None
    digest = hashlib.sha256(film.data).hexdigest()[:32]
    return film, FileFacts(bits=bits, colour=colour, width=width, height=height, pixels=digest)


def _opened(source: Source) -> Image.Image:
    if isinstance(source, np.ndarray):
        return Image.fromarray(source)
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)


def _bits(mode: str) -> int:
    """Return the bits of one channel: Pillow's modes are 1, I;16 and its kin, I and F, and eight bits in many colours."""
    return 1 if mode == "1" else 16 if mode.startswith("I;16") else 32 if mode[0] in "IF" else 8


def _grey(image: Image.Image, size: int) -> tuple[Image.Image, bool]:
    """Return the image in grey, and whether it shows colours."""
    if image.mode[0] in "IF":  # 10 to 16 bits, wherever in the range they lie
        return Image.fromarray(_eight_bits(np.asarray(image, dtype=np.float64))), False
    if _is_jpeg_of_luma(image):  # is then decoded at 1/2, 1/4 or 1/8, never below the wanted size
        image.draft("L" if image.mode == "L" else "YCbCr", (size, size))
    elif "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in {"1", "L", "LA"}:
        return image.convert("L"), False
    if image.mode == "YCbCr":
        luma, *chroma = image.split()
        return luma, _shows_colours(chroma)
    colours = image.convert("RGB")
    return image.convert("L"), _shows_colours(colours.convert("YCbCr").split()[1:])


def _is_jpeg_of_luma(image: Image.Image) -> bool:
    """Tell a JPEG that is stored as grey, or as luma and chroma, by libjpeg's rules (jdapimin.c, default_decompress_parms)."""
    if not isinstance(image, JpegImageFile) or image.mode not in {"L", "RGB"}:
        return False
    stored_as_rgb = image.info.get("adobe_transform") == 0 or [layer[0] for layer in image.layer] == [*b"RGB"]
    return image.mode == "L" or "jfif" in image.info or not stored_as_rgb


def _shows_colours(chroma: Sequence[Image.Image]) -> bool:
    """Return whether more than one pixel in a thousand is off grey by more than what rounding and JPEG may add."""
    for channel in chroma:
        counts = channel.histogram()
        if sum(counts[: 128 - GREYISH]) + sum(counts[128 + GREYISH + 1 :]) > channel.width * channel.height / 1000:
            return True
    return False


def _eight_bits(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return greys in 0..255, black and white at the 0.5th and 99.5th percentile: no hot pixel sets the scale."""
    low, high = np.percentile(values, (0.5, 99.5))
    return np.asarray(((values - low) / max(high - low, 1e-9) * 255).clip(0, 255).round(), dtype=np.uint8)


def _resized(image: Image.Image, size: int, resize: Literal["stretch", "pad"]) -> Image.Image:
    if image.size == (size, size):
        return image
    if resize == "stretch":
        return image.resize((size, size), Image.Resampling.BILINEAR)
    left, top, right, bottom = box_within_bars(image.width, image.height, size)
    canvas = Image.new("L", (size, size))
    canvas.paste(image.resize((right - left, bottom - top), Image.Resampling.BILINEAR), (left, top))
    return canvas


def box_within_bars(width: int, height: int, size: int) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of an image of that shape in a square that bars fill up."""
    scale = size / max(width, height)
    width, height = (max(1, round(side * scale)) for side in (width, height))
    left, top = (size - width) // 2, (size - height) // 2
    return left, top, left + width, top + height


def _reason(error: BaseException) -> str:
    if isinstance(error, PIL.UnidentifiedImageError):
        return "is no image of a known format"
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    return str(error).strip() or type(error).__name__
