"""Turn what Pillow can open into a grey square."""

from __future__ import annotations

import hashlib
import io
import logging
import warnings
from threading import Lock
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image
from PIL.ExifTags import Base as Tag
from PIL.JpegImagePlugin import JpegImageFile
from PIL.MpoImagePlugin import MpoImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from cxrbench.data.decoding.facts import FileFacts
from cxrbench.data.decoding.large import check_size, is_large, reduced
from cxrbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000", "PPM")
"""What films are stored in; what else Pillow knows only adds ways to be attacked, such as PostScript, which is a program."""
GREYISH = 12
"""How far from 128, of 255, both channels of chroma lie in what counts as grey."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF's orientations, 1 aside, which is upright, and what undoes each."""
ON_ITS_SIDE = {TURNS[number] for number in (5, 6, 7, 8)}

_OPENING = Lock()
"""Python's warning filters belong to the whole process, and images are opened in several threads."""
logging.getLogger("PIL").setLevel(logging.INFO)  # below, it logs what stands in a file's header


def examine_picture(
    content: bytes | NDArray[np.uint8], *, size: int, resize: Literal["stretch", "pad"]
) -> tuple[NDArray[np.uint8], FileFacts]:
    """Return the image as uint8 ``[size, size]`` grey and what its file was; raises whatever Pillow raises."""
    if isinstance(content, np.ndarray):
        return examine_opened(Image.fromarray(content), _bits("L"), size=size, resize=resize)
    with _opened(content) as image:
        check_size(image, len(content))
        _check_frames(image)
        return examine_opened(image, _bits(image.mode), size=size, resize=resize)


def examine_opened(
    image: Image.Image, bits: int, *, size: int, resize: Literal["stretch", "pad"]
) -> tuple[NDArray[np.uint8], FileFacts]:
    """Do the same for an image that is open, of which a channel has so many bits."""
    if 0 in image.size:
        raise DataError("has no pixels")
    (width, height), turn = image.size, _turn(image)  # before a JPEG is decoded at a smaller size
    grey, colour = _grey(image, size)
    if turn is not None:
        grey = grey.transpose(turn)
        width, height = (height, width) if turn in ON_ITS_SIDE else (width, height)
    film = np.ascontiguousarray(_resized(grey, size, resize))
    digest = hashlib.sha256(film.data).hexdigest()[:32]
    return film, FileFacts(bits=bits, colour=colour, width=width, height=height, pixels=digest)


def _opened(content: bytes) -> Image.Image:
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(content), formats=FORMATS)


def _check_frames(image: Image.Image) -> None:
    """Refuse films, series and several pages; the further images of a photograph (MPO) are only its thumbnails."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and not isinstance(image, MpoImageFile):
        raise DataError(f"holds {frames:,} images: save the one that is meant by itself")


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Return what brings an image upright according to its EXIF; broken EXIF says nothing."""
    if isinstance(image, TiffImageFile):  # Pillow has turned it
        return None
    if isinstance(image, PngImageFile):  # its EXIF may come after the pixels
        image.load()
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return TURNS.get(image.getexif().get(Tag.Orientation, 1))
        except Exception:
            return None


def _bits(mode: str) -> int:
    """Return the bits of one channel: Pillow's modes are 1, I;16 and its kin, I and F, and eight bits in many colours."""
    return 1 if mode == "1" else 16 if mode.startswith("I;16") else 32 if mode[0] in "IF" else 8


def _grey(image: Image.Image, size: int) -> tuple[Image.Image, bool]:
    """Return the image in grey, and whether it shows colours."""
    if _is_jpeg_of_luma(image):  # is then decoded at 1/2, 1/4 or 1/8, never below the wanted size
        image.draft("L" if image.mode == "L" else "YCbCr", (size, size))
    if is_large(image):
        image = reduced(image, size, _flat)
    if image.mode[0] in "IF":  # 10 to 16 bits, wherever in the range they lie
        return Image.fromarray(eight_bits(np.asarray(image, dtype=np.float64))), False
    image = _flat(image)
    if image.mode == "L":
        return image, False
    if image.mode == "YCbCr":
        luma, *chroma = image.split()
        return luma, _shows_colours(chroma)
    colours = image.convert("RGB")
    return image.convert("L"), _shows_colours(colours.convert("YCbCr").split()[1:])


def _flat(image: Image.Image) -> Image.Image:
    """Return an image without palette and transparency: what shines through is black, as what lies around a film is."""
    if image.mode == "1":
        return image.convert("L")
    if "transparency" in image.info or image.mode in {"LA", "La", "PA", "RGBA", "RGBa"}:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), over).convert("RGB")
    return image.convert("RGB") if image.mode == "P" else image


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


def eight_bits(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return greys in 0..255, black and white at the 0.5th and 99.5th percentile: no hot pixel sets the scale."""
    if not np.isfinite(values).all():
        raise DataError("holds values that are no numbers")
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
