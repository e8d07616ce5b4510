"""Decode one image into a square grey image of the protocol's size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import PIL
from PIL import Image

from cxrbench.data.decoding.dicom import dicom_decoder, is_dicom, open_dicom
from cxrbench.data.decoding.dicom_header import is_cleaned
from cxrbench.data.decoding.helper import decode_in_helper
from cxrbench.data.decoding.image_bytes import read_file
from cxrbench.data.decoding.meaning import PLAIN, meaning_of
from cxrbench.data.decoding.raster import examine_opened, examine_raster
from cxrbench.data.decoding.reasons import reason
from cxrbench.errors import CxrbenchError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from cxrbench.data.decoding.facts import FileFacts

DECODER = f"pillow-{PIL.__version__} grey-bilinear-4"
"""Version of the decoder: part of every cache key."""
HEADER_READER = "header-1"
"""Version of what is read from headers besides; part of the cache key of datasets with such files alone."""
Reading = Literal["dicom", "header"]
HARDENED = (b"\x89PNG", b"\xff\xd8\xff")
"""First bytes of PNG and JPEG, which are decoded in this process: libpng and libjpeg are hardened by long use."""

ImageSource: TypeAlias = "Path | bytes | NDArray[np.uint8]"
Examined: TypeAlias = "tuple[NDArray[np.uint8], FileFacts]"


def readings_of(data: bytes) -> frozenset[Reading]:
    """Return what the pixels of a file depend on besides `DECODER`: DICOM's packages, what its header says. Cheap."""
    if is_dicom(data):
        return frozenset({"dicom", "header"} if is_cleaned(data) else {"dicom"})
    return frozenset() if meaning_of(data) == PLAIN else frozenset({"header"})


def decoder_versions(readings: Collection[Reading]) -> list[str]:
    """Return the versions that pixels depend on: part of their cache key."""
    versions: dict[Reading, Callable[[], str]] = {"dicom": dicom_decoder, "header": lambda: HEADER_READER}
    return [DECODER, *(version() for reading, version in versions.items() if reading in readings)]


def decode(source: ImageSource, *, size: int, resize: Literal["stretch", "pad"]) -> NDArray[np.uint8]:
    """Return an image in grey, uint8 ``[size, size]``; raise DataError with the reason if it cannot be read completely."""
    return examine(source, size=size, resize=resize)[0]


def examine(source: ImageSource, *, size: int, resize: Literal["stretch", "pad"]) -> Examined:
    """Return an image in grey, uint8 ``[size, size]``, and the properties of its file; raise DataError as `decode` does.

    Files that might crash, hang or exhaust memory are decoded in a separate process.
    """
    try:
        data = read_file(source) if isinstance(source, Path) else source
        return _examine_safely(data, size, resize)
    except CxrbenchError:
        raise
    except Exception as error:
        raise DataError(reason(error)) from None


def _examine_safely(data: bytes | NDArray[np.uint8], size: int, resize: Literal["stretch", "pad"]) -> Examined:
    if isinstance(data, np.ndarray):
        return examine_raster(data, size=size, resize=resize)
    if not data:
        raise DataError("is empty")
    if not data.startswith(HARDENED) or is_dicom(data):
        return decode_in_helper(data, size=size, resize=resize)
    try:
        return examine_raster(data, size=size, resize=resize)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # or an image of more than 89 megapixels
        return decode_in_helper(data, size=size, resize=resize, alone=True)


def examine_anything(data: bytes, *, size: int, resize: Literal["stretch", "pad"]) -> Examined:
    """Examine any file in this process; only for a process that may crash."""
    try:
        if is_dicom(data):
            return examine_opened(*open_dicom(data), size=size, resize=resize)
        return examine_raster(data, size=size, resize=resize)
    except Exception as error:
        raise DataError(reason(error)) from None
