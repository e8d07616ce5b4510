"""Decode one image into a grey square of the protocol's size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import PIL
from PIL import Image

from cxrbench.data.decoding.contents import read_file
from cxrbench.data.decoding.dicom import is_dicom, open_dicom
from cxrbench.data.decoding.helper import examine_apart
from cxrbench.data.decoding.raster import examine_opened, examine_picture
from cxrbench.data.decoding.reasons import reason
from cxrbench.errors import CxrbenchError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.data.decoding.facts import FileFacts

DECODER = f"pillow-{PIL.__version__} grey-bilinear-4"
"""What the pixels depend on besides the file: part of every cache key."""
HARDENED = (b"\x89PNG", b"\xff\xd8\xff")
"""Beginnings of files that are decoded in this process: libpng's and libjpeg's have met every attack there is."""

Source: TypeAlias = "Path | bytes | NDArray[np.uint8]"
Examined: TypeAlias = "tuple[NDArray[np.uint8], FileFacts]"


def decode(source: Source, *, size: int, resize: Literal["stretch", "pad"]) -> NDArray[np.uint8]:
    """Return the image as uint8 ``[size, size]`` grey; raise DataError with the reason if it cannot be read whole."""
    return examine(source, size=size, resize=resize)[0]


def examine(source: Source, *, size: int, resize: Literal["stretch", "pad"]) -> Examined:
    """Return the image as uint8 ``[size, size]`` grey and what its file was; raise DataError as `decode` does.

    What may crash, hang or take all memory is decoded by a process of its own.
    """
    try:
        content = read_file(source) if isinstance(source, Path) else source
        return _examine(content, size, resize)
    except CxrbenchError:
        raise
    except Exception as error:
        raise DataError(reason(error)) from None


def _examine(content: bytes | NDArray[np.uint8], size: int, resize: Literal["stretch", "pad"]) -> Examined:
    if isinstance(content, np.ndarray):
        return examine_picture(content, size=size, resize=resize)
    if not content:
        raise DataError("is empty")
    if not content.startswith(HARDENED) or is_dicom(content):
        return examine_apart(content, size=size, resize=resize)
    try:
        return examine_picture(content, size=size, resize=resize)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # or a film of more than 89 megapixels
        return examine_apart(content, size=size, resize=resize, alone=True)


def examine_anything(content: bytes, *, size: int, resize: Literal["stretch", "pad"]) -> Examined:
    """Examine what may be any file, whatever may come of it; for a process that may die of it."""
    try:
        if is_dicom(content):
            return examine_opened(*open_dicom(content), size=size, resize=resize)
        return examine_picture(content, size=size, resize=resize)
    except Exception as error:
        raise DataError(reason(error)) from None
