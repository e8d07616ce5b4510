"""Decode ordinary image formats with Pillow."""

from __future__ import annotations

import hashlib
import io
import logging
import warnings
from threading import Lock
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base as Tag
from PIL.JpegImagePlugin import JpegImageFile
from PIL.MpoImagePlugin import MpoImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from cxrbench.data.decoding.facts import FileFacts
from cxrbench.data.decoding.greys import numbers_to_grey, with_transparent
from cxrbench.data.decoding.large import check_size, is_large, reduced
from cxrbench.data.decoding.meaning import PLAIN, Meaning, meaning_of
from cxrbench.data.decoding.tiff_header import is_tiff
from cxrbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000", "PPM")
"""Formats of X-ray images; Pillow's other formats, such as PostScript, would only add ways of attack."""
GREY_TOLERANCE = 12
"""A pixel counts as grey if both chroma channels, 0..255, are this close to 128."""
DARKEST_DEEP = 64
"""Of 256; colours of 16 bits that stay below hold 14 bits or fewer, and would be nearly black."""
ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientations (1 is upright) and the transpose that undoes each."""
SWAP_SIDES = {ORIENTATIONS[number] for number in (5, 6, 7, 8)}

_OPENING = Lock()
"""Warning filters are global to the process, and images are opened in several threads."""
logging.getLogger("PIL").setLevel(logging.INFO)  # DEBUG would log the headers of files


def examine_raster(
    data: bytes | NDArray[np.uint8], *, size: int, resize: Literal["stretch", "pad"]
) -> tuple[NDArray[np.uint8], FileFacts]:
    """Return an image in grey, uint8 ``[size, size]``, and the properties of its file; raise whatever Pillow raises."""
    if isinstance(data, np.ndarray):
        return examine_opened(Image.fromarray(data), _bits_of("L"), size=size, resize=resize)
    meaning = meaning_of(data)
    with _open_image(data) as image:
        check_size(image, len(data))
        _check_frames(image)
        _check_meaning(image, meaning)
        bits = 16 if meaning.deep else _bits_of(image.mode)
        return examine_opened(image, bits, size=size, resize=resize, meaning=meaning)


def examine_opened(
    image: Image.Image, bits: int, *, size: int, resize: Literal["stretch", "pad"], meaning: Meaning = PLAIN
) -> tuple[NDArray[np.uint8], FileFacts]:
    """Do the same for an open image with that many bits per channel, whose numbers have that meaning."""
    if 0 in image.size:
        raise DataError("has no pixels")
    (width, height), orientation = image.size, _orientation(image)  # before a JPEG is decoded at a smaller size
    grey, colour = _to_grey(image, size, meaning)
    if orientation is not None:
        grey = grey.transpose(orientation)
        width, height = (height, width) if orientation in SWAP_SIDES else (width, height)
    pixels = np.ascontiguousarray(_resized(grey, size, resize))
    digest = hashlib.sha256(pixels.data).hexdigest()[:32]
    return pixels, FileFacts(bits=bits, colour=colour, width=width, height=height, pixels=digest)


def _open_image(data: bytes) -> Image.Image:
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return Image.open(io.BytesIO(data), formats=FORMATS)
        except UnidentifiedImageError:
            if is_tiff(data):
                raise DataError("is TIFF of a kind that cannot be read: save it in grey, with 8 or 16 bits") from None
            raise


def _check_frames(image: Image.Image) -> None:
    """Raise DataError for animations and multi-page files; further images of a photograph (MPO) are thumbnails."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and not isinstance(image, MpoImageFile):
        raise DataError(f"has {frames:,} images: save the right one as a single file")


def _check_meaning(image: Image.Image, meaning: Meaning) -> None:
    if meaning.unclear:
        raise DataError(meaning.unclear)
    if is_large(image) and (meaning.unsigned or meaning.signed or meaning.transparent is not None):
        raise DataError("is too large: with a transparent grey, or numbers of 32 or signed 8 bits, it must be reduced first")


def _orientation(image: Image.Image) -> Image.Transpose | None:
    """Return the transpose that makes an image upright according to its EXIF; None if upright or if EXIF is broken."""
    if isinstance(image, TiffImageFile):  # Pillow has already rotated it
        return None
    if isinstance(image, PngImageFile):  # EXIF may follow the pixels
        image.load()
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ORIENTATIONS.get(image.getexif().get(Tag.Orientation, 1))
        except Exception:
            return None


def _bits_of(mode: str) -> int:
    """Return the bits per channel of a Pillow mode: 1, I;16 and its variants, I and F; all others have 8."""
    return 1 if mode == "1" else 16 if mode.startswith("I;16") else 32 if mode[0] in "IF" else 8


def _to_grey(image: Image.Image, size: int, meaning: Meaning) -> tuple[Image.Image, bool]:
    """Return an image in grey, and whether it shows colours."""
    if _is_jpeg_of_luma(image):  # decode at 1/2, 1/4 or 1/8 scale, but not below the wanted size
        image.draft("L" if image.mode == "L" else "YCbCr", (size, size))
    if is_large(image):
        image = reduced(image, size, _flat)
    if image.mode[0] in "IF" or meaning.signed:  # 10 to 16 bits, in any part of the range
        return numbers_to_grey(image, meaning), False
    if meaning.transparent is not None:
        image = with_transparent(image, meaning.transparent)
    image = _flat(image)
    if image.mode == "L":
        return image, False
    if image.mode == "YCbCr":
        luma, *chroma = image.split()
        return luma, _shows_colours(chroma)
    colours = image.convert("RGB")
    if meaning.deep and _brightest(colours) < DARKEST_DEEP:
        raise DataError(f"uses less than {DARKEST_DEEP} / 256 of the range of its 16 bits: save it in grey, or with 8 bits")
    return image.convert("L"), _shows_colours(colours.convert("YCbCr").split()[1:])


def _flat(image: Image.Image) -> Image.Image:
    """Return an image without palette and transparency; the background is black, as around an X-ray."""
    if image.mode == "1":
        return image.convert("L")
    if "transparency" in image.info or image.mode in {"LA", "La", "PA", "RGBA", "RGBa"}:
        foreground = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), foreground).convert("RGB")
    return image.convert("RGB") if image.mode == "P" else image


def _is_jpeg_of_luma(image: Image.Image) -> bool:
    """Return whether a JPEG stores grey, or luma and chroma, by libjpeg's rules (jdapimin.c, default_decompress_parms)."""
    if not isinstance(image, JpegImageFile) or image.mode not in {"L", "RGB"}:
        return False
    stored_as_rgb = image.info.get("adobe_transform") == 0 or [layer[0] for layer in image.layer] == [*b"RGB"]
    return image.mode == "L" or "jfif" in image.info or not stored_as_rgb


def _brightest(image: Image.Image) -> float:
    return float(np.max(image.getextrema()))


def _shows_colours(chroma: Sequence[Image.Image]) -> bool:
    """Return whether more than one pixel in a thousand is off grey by more than rounding and JPEG may cause."""
    for channel in chroma:
        counts = channel.histogram()
        if (
            sum(counts[: 128 - GREY_TOLERANCE]) + sum(counts[128 + GREY_TOLERANCE + 1 :])
            > channel.width * channel.height / 1000
        ):
            return True
    return False


def _resized(image: Image.Image, size: int, resize: Literal["stretch", "pad"]) -> Image.Image:
    if image.size == (size, size):
        return image
    if resize == "stretch":
        return image.resize((size, size), Image.Resampling.BILINEAR)
    left, top, right, bottom = box_within_padding(image.width, image.height, size)
    canvas = Image.new("L", (size, size))
    canvas.paste(image.resize((right - left, bottom - top), Image.Resampling.BILINEAR), (left, top))
    return canvas


def box_within_padding(width: int, height: int, size: int) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of an image of that shape in the square it is padded to."""
    scale = size / max(width, height)
    width, height = (max(1, round(side * scale)) for side in (width, height))
    left, top = (size - width) // 2, (size - height) // 2
    return left, top, left + width, top + height
