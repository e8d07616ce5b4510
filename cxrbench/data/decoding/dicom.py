"""Read DICOM films: modality and VOI look-up tables, windows, inverted greys and colours, by pydicom.

Only the elements named here are parsed, none of which holds a name, and no message of pydicom's is passed on: it may quote
values.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from cxrbench.data.decoding.raster import eight_bits
from cxrbench.errors import DataError
from cxrbench.storage.versions import versions_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

PACKAGES = (
    *("pydicom", "python-gdcm"),
    *("pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle", "pyjpegls"),  # pydicom takes these, too
)
INSTALL = "pip install 'cxrbench[dicom]'"
MOST_PIXELS = 178_956_970
"""Of a DICOM film, whose values are computed with as 64-bit numbers: 30,000 by 5,900."""
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT")
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
ELEMENTS = (
    *PIXELS,
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PlanarConfiguration", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "PresentationLUTShape"),
    *("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction"),
    *(f"{colour}PaletteColorLookupTable{what}" for colour in ("Red", "Green", "Blue") for what in ("Descriptor", "Data")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
)
WITHOUT_PREAMBLE = re.compile(
    rb"[\x02\x08]\x00..(?:AE|CS|DA|DT|IS|LO|OB|SH|TM|UI|UL|US).."  # explicit, little-endian
    rb"|\x00[\x02\x08]..(?:AE|CS|DA|DT|IS|LO|OB|SH|TM|UI|UL|US).."  # explicit, big-endian
    rb"|\x08\x00[\x00-\x90]\x00[\x00-\x80]\x00\x00\x00",  # implicit
    re.DOTALL,
)
"""The first element of a file that begins without the 128 bytes and the magic word that the standard asks for."""


def is_dicom(content: bytes) -> bool:
    """Tell DICOM by what it begins with."""
    return content[128:132] == b"DICM" or WITHOUT_PREAMBLE.match(content) is not None


def dicom_decoder() -> str:
    """Return what the pixels of DICOM files depend on besides: installing it must bring back what was skipped without it."""
    return " ".join(["dicom-1", *(f"{package}-{version}" for package, version in versions_of(*PACKAGES).items())])


def open_dicom(content: bytes) -> tuple[Image.Image, int]:
    """Return the film of a DICOM file as a grey or colour image of 8 bits, and the bits that it is stored with.

    Raises:
        DataError: what it holds is no single film, or pydicom or what unpacks it is not installed.
        Exception: whatever pydicom raises; its message may quote the header.
    """
    try:
        import pydicom
    except ImportError:
        raise DataError(f"is DICOM, for which a package is needed: {INSTALL}") from None
    film = pydicom.dcmread(io.BytesIO(content), force=True, specific_tags=list(ELEMENTS))
    _set_syntax(film)
    _check(film)
    bits = int(film.get("BitsStored", film.BitsAllocated))
    if film.PhotometricInterpretation in GREY:
        return Image.fromarray(_grey(film, bits)), bits
    return Image.fromarray(_colours(film, bits)), bits


def _set_syntax(film: Dataset) -> None:
    """Say how a file that does not say it was written, as it was found to be readable."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if not hasattr(film, "file_meta"):
        film.file_meta = FileMetaDataset()
    if not film.file_meta.get("TransferSyntaxUID"):
        implicit, little = film.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        film.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _check(film: Dataset) -> None:
    """Raise DataError for what holds no single film that can be read here."""
    if not any(name in film for name in PIXELS):
        raise DataError("is DICOM without an image, or cut off before it")
    rows, columns, frames = (
        int(film.get(name) or absent) for name, absent in (("Rows", 0), ("Columns", 0), ("NumberOfFrames", 1))
    )
    if frames != 1:
        raise DataError(f"is DICOM with {frames:,} frames: save the one that is meant by itself")
    if rows < 1 or columns < 1:
        raise DataError(f"is DICOM that claims to be {columns:,} x {rows:,} pixels")
    if rows * columns > MOST_PIXELS:
        raise DataError(f"is too large: DICOM of {columns:,} x {rows:,} pixels, and {MOST_PIXELS:,} in all are the most")
    if film.get("PhotometricInterpretation") not in {*GREY, *COLOURS, "PALETTE COLOR"}:
        raise DataError("is DICOM whose pixels are neither grey nor RGB, YBR or palette colours")
    _check_syntax(film)


def _check_syntax(film: Dataset) -> None:
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID_dictionary

    syntax = film.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        name = f": {syntax.name}" if syntax in UID_dictionary else ""  # else it is whatever stands in the file
        raise DataError(f"is DICOM in a transfer syntax that cannot be read{name}") from None
    if not decoder.is_available:
        raise DataError(f"is DICOM in {syntax.name}, which no package that is installed unpacks: try {INSTALL}")


def _stored(film: Dataset, bits: int) -> NDArray[Any]:
    """Return the pixels as they are stored, signed or not, without what else is in their unused bits."""
    high = int(film.get("HighBit", bits - 1))
    unused = high + 1 - bits
    if film.file_meta.TransferSyntaxUID.is_compressed or unused <= 0 or "PixelData" not in film:
        return _unpacked(film)
    film.BitsStored = high + 1  # old scanners left the low bits empty, not the high ones
    stored = _unpacked(film) >> unused
    film.BitsStored = bits
    return np.asarray(stored)


def _unpacked(film: Dataset) -> NDArray[Any]:
    try:
        return np.asarray(film.pixel_array)
    except (NotImplementedError, RuntimeError):  # of all packages that could
        raise DataError(f"cannot be unpacked from {film.file_meta.TransferSyntaxUID.name}") from None
    except (AttributeError, ValueError):
        raise DataError("is DICOM whose pixels are not what its header says of them: too few of them, or cut off") from None


def _grey(film: Dataset, bits: int) -> NDArray[np.uint8]:
    """Return greys in 0..255 as a viewer shows them: by VOI look-up table or window, else between the darkest and brightest."""
    from pydicom.pixels import apply_modality_lut

    stored = _stored(film, bits)
    values = apply_modality_lut(stored, film)
    shown = _through_table(values, film)
    if shown is None:
        shown = _through_window(values, film)
    if shown is None and bits <= 8 and stored.min() >= 0 and np.array_equal(values, stored):
        shown = stored / (2**bits - 1)  # as the 8 bits of any other file
    grey = eight_bits(np.asarray(values, dtype=np.float64)) if shown is None else _scaled(shown)
    negative = film.PhotometricInterpretation == "MONOCHROME1" or film.get("PresentationLUTShape") == "INVERSE"
    return 255 - grey if negative else grey


def _through_table(values: NDArray[Any], film: Dataset) -> NDArray[np.float64] | None:
    """Return what the VOI look-up table makes of values, in 0..1; None without one."""
    from pydicom.pixels import apply_voi

    if not film.get("VOILUTSequence"):
        return None
    entries, first, _ = film.VOILUTSequence[0].LUTDescriptor
    ends = apply_voi(np.arange(entries or 2**16, dtype=np.int64) + first, film)
    seen = apply_voi(np.rint(values).astype(np.int64), film).astype(np.float64)
    low, high = int(ends.min()), int(ends.max())  # its bits are often more than it uses
    return np.asarray((seen - low) / max(high - low, 1))


def _through_window(values: NDArray[Any], film: Dataset) -> NDArray[np.float64] | None:
    """Return what the first window makes of values, in 0..1; None without one, or with one too narrow for its function."""
    from pydicom.pixels import apply_windowing

    centre, width = (_first(film.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or not np.isfinite([centre, width]).all():
        return None
    if width <= 0 or (width < 1 and film.get("VOILUTFunction", "LINEAR") == "LINEAR"):
        return None
    ends = np.array([centre - 9 * width, centre + 9 * width])  # beyond which every function of a window is level
    black, white = apply_windowing(ends, film)
    return np.asarray((apply_windowing(values, film) - black) / (white - black))


def _first(value: Any) -> float | None:
    from pydicom.multival import MultiValue

    one = value[0] if isinstance(value, MultiValue) and len(value) else value
    return None if one is None or isinstance(one, MultiValue | str) else float(one)


def _colours(film: Dataset, bits: int) -> NDArray[np.uint8]:
    """Return RGB in 0..255."""
    from pydicom.pixels import apply_color_lut

    pixels = _unpacked(film)
    if film.PhotometricInterpretation == "PALETTE COLOR":
        colours = apply_color_lut(pixels, film)
        return _scaled(colours / (2 ** (8 * colours.dtype.itemsize) - 1))
    return pixels if pixels.dtype == np.uint8 and bits == 8 else _scaled(pixels / (2**bits - 1))


def _scaled(shares: NDArray[np.float64]) -> NDArray[np.uint8]:
    if not np.isfinite(shares).all():
        raise DataError("holds values that are no numbers")
    return np.asarray((shares * 255).clip(0, 255).round(), dtype=np.uint8)
