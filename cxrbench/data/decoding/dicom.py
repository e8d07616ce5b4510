"""Read DICOM images with pydicom: modality and VOI look-up tables, windows, inverted greys and colours.

Only the elements listed here are parsed; none of them holds a name. Messages of pydicom are never shown: they may quote values.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from cxrbench.data.decoding.dicom_header import PADDING, complete_rescaling, drop_empty, padding
from cxrbench.data.decoding.greys import eight_bits
from cxrbench.errors import DataError
from cxrbench.storage.versions import versions_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset as Header

DICOM_PACKAGES = (
    *("pydicom", "python-gdcm"),
    *("pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle", "pyjpegls"),  # pydicom uses these, too
)
INSTALL_DICOM = "pip install 'cxrbench[dicom]'"
MOST_DICOM_PIXELS = 178_956_970
"""30,000 by 5,900; the values are processed as 64-bit numbers."""
GREY_PHOTOMETRICS = ("MONOCHROME1", "MONOCHROME2")
COLOUR_PHOTOMETRICS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT")
PIXEL_ELEMENTS = tuple(PADDING)
ELEMENTS = (
    *PIXEL_ELEMENTS,
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PlanarConfiguration", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    *(element for elements in PADDING.values() for element in elements),
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
"""The first element of a file without the preamble of 128 bytes and the magic word that the standard requires."""


def is_dicom(data: bytes) -> bool:
    """Return whether bytes begin like DICOM."""
    return data[128:132] == b"DICM" or WITHOUT_PREAMBLE.match(data) is not None


def dicom_decoder() -> str:
    """Return the versions that DICOM pixels depend on: once a package is installed, files skipped without it are decoded."""
    return " ".join(["dicom-1", *(f"{package}-{version}" for package, version in versions_of(*DICOM_PACKAGES).items())])


def open_dicom(data: bytes) -> tuple[Image.Image, int]:
    """Return a DICOM file as a grey or colour image of 8 bits, and the number of bits stored.

    Raises:
        DataError: it does not hold a single image, or a decoder for it is not installed.
        Exception: whatever pydicom raises; the message may quote the header.
    """
    import pydicom

    header = pydicom.dcmread(io.BytesIO(data), force=True, specific_tags=list(ELEMENTS))
    _set_transfer_syntax(header)
    drop_empty(header)
    _check_image(header)
    bits = int(header.get("BitsStored", header.BitsAllocated))
    header.BitsStored = bits
    if header.PhotometricInterpretation in GREY_PHOTOMETRICS:
        return Image.fromarray(_grey_values(header, bits)), bits
    return Image.fromarray(_rgb_values(header, bits)), bits


def _set_transfer_syntax(header: Header) -> None:
    """Set a missing transfer syntax to the encoding that pydicom detected."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if not hasattr(header, "file_meta"):
        header.file_meta = FileMetaDataset()
    if not header.file_meta.get("TransferSyntaxUID"):
        implicit, little = header.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _check_image(header: Header) -> None:
    """Raise DataError unless the file holds a single readable image."""
    if not any(name in header for name in PIXEL_ELEMENTS):
        raise DataError("is DICOM without an image, or truncated before it")
    rows, columns, frames = (
        int(header.get(name) or absent) for name, absent in (("Rows", 0), ("Columns", 0), ("NumberOfFrames", 1))
    )
    if frames != 1:
        raise DataError(f"is DICOM with {frames:,} frames: save the right one as a single file")
    if rows < 1 or columns < 1:
        raise DataError(f"is DICOM that claims to be {columns:,} x {rows:,} pixels")
    if rows * columns > MOST_DICOM_PIXELS:
        raise DataError(
            f"is too large: DICOM of {columns:,} x {rows:,} pixels; at most {MOST_DICOM_PIXELS:,} in total are allowed"
        )
    if header.get("PhotometricInterpretation") not in {*GREY_PHOTOMETRICS, *COLOUR_PHOTOMETRICS, "PALETTE COLOR"}:
        raise DataError("is DICOM whose pixels are neither grey nor RGB, YBR or palette colours")
    _check_transfer_syntax(header)


def _check_transfer_syntax(header: Header) -> None:
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID_dictionary

    syntax = header.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        name = f": {syntax.name}" if syntax in UID_dictionary else ""  # an unknown UID may be any text
        raise DataError(f"is DICOM in an unsupported transfer syntax{name}") from None
    if not decoder.is_available:
        raise DataError(f"is DICOM in {syntax.name}, which no installed package can decode: try {INSTALL_DICOM}")


def _stored_values(header: Header, bits: int) -> NDArray[Any]:
    """Return the stored pixel values, signed or not, without data in their unused bits."""
    high = int(header.get("HighBit", bits - 1))
    unused = high + 1 - bits
    if header.file_meta.TransferSyntaxUID.is_compressed or unused <= 0 or "PixelData" not in header:
        return _pixel_array(header)
    header.BitsStored = high + 1  # old scanners left the low bits unused, not the high ones
    stored = _pixel_array(header) >> unused
    header.BitsStored = bits
    return np.asarray(stored)


def _pixel_array(header: Header) -> NDArray[Any]:
    try:
        return np.asarray(header.pixel_array)
    except (NotImplementedError, RuntimeError):  # every available decoder failed
        raise DataError(f"cannot be decoded from {header.file_meta.TransferSyntaxUID.name}") from None
    except (AttributeError, ValueError):
        raise DataError("is DICOM whose pixels do not match its header: too few, or truncated") from None


def _grey_values(header: Header, bits: int) -> NDArray[np.uint8]:
    """Return greys in 0..255 as a viewer shows them: by VOI look-up table or window, else scaled between percentiles."""
    from pydicom.pixels import apply_modality_lut

    complete_rescaling(header)
    stored = _stored_values(header, bits)
    absent = padding(header, stored, bits)
    if absent is not None:
        stored = np.where(absent, stored[~absent][0], stored)
    values = apply_modality_lut(stored, header)
    shown = _apply_voi_table(values, header)
    if shown is None:
        shown = _apply_window(values, header)
    if shown is None and bits <= 8 and stored.min() >= 0 and np.array_equal(values, stored):
        shown = stored / (2**bits - 1)  # like 8-bit values of any other file
    grey = eight_bits(np.asarray(values, dtype=np.float64), absent) if shown is None else _to_uint8(shown)
    inverted = header.PhotometricInterpretation == "MONOCHROME1" or header.get("PresentationLUTShape") == "INVERSE"
    grey = 255 - grey if inverted else grey
    return grey if absent is None else np.where(absent, np.uint8(0), grey)


def _apply_voi_table(values: NDArray[Any], header: Header) -> NDArray[np.float64] | None:
    """Return values through the VOI look-up table, in 0..1; None if there is no table."""
    from pydicom.pixels import apply_voi

    if not header.get("VOILUTSequence"):
        return None
    entries, first, _ = header.VOILUTSequence[0].LUTDescriptor
    ends = apply_voi(np.arange(entries or 2**16, dtype=np.int64) + first, header)
    shown = apply_voi(np.rint(values).astype(np.int64), header).astype(np.float64)
    low, high = int(ends.min()), int(ends.max())  # the declared bits often exceed its range
    return np.asarray((shown - low) / max(high - low, 1))


def _apply_window(values: NDArray[Any], header: Header) -> NDArray[np.float64] | None:
    """Return values through the first window, in 0..1; None if there is none or it is too narrow for its function."""
    from pydicom.pixels import apply_windowing

    centre, width = (_first_number(header.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or not np.isfinite([centre, width]).all():
        return None
    if width <= 0 or (width < 1 and header.get("VOILUTFunction", "LINEAR") == "LINEAR"):
        return None
    ends = np.array([centre - 9 * width, centre + 9 * width])  # outside, every window function is flat
    black, white = apply_windowing(ends, header)
    return np.asarray((apply_windowing(values, header) - black) / (white - black))


def _first_number(value: Any) -> float | None:
    from pydicom.multival import MultiValue

    first = value[0] if isinstance(value, MultiValue) and len(value) else value
    return None if first is None or isinstance(first, MultiValue | str) else float(first)


def _rgb_values(header: Header, bits: int) -> NDArray[np.uint8]:
    """Return RGB in 0..255."""
    from pydicom.pixels import apply_color_lut

    pixels = _pixel_array(header)
    if header.PhotometricInterpretation == "PALETTE COLOR":
        colours = apply_color_lut(pixels, header)
        return _to_uint8(colours / (2 ** (8 * colours.dtype.itemsize) - 1))
    return pixels if pixels.dtype == np.uint8 and bits == 8 else _to_uint8(pixels / (2**bits - 1))


def _to_uint8(shares: NDArray[np.float64]) -> NDArray[np.uint8]:
    if not np.isfinite(shares).all():
        raise DataError("has values that are not finite numbers")
    return np.asarray((shares * 255).clip(0, 255).round(), dtype=np.uint8)
