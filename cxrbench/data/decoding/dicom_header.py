"""Clean the header of a DICOM file: elements without a value, rescaling that is given in half, padding."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset as Header

PADDING = {
    "PixelData": ("PixelPaddingValue", "PixelPaddingRangeLimit"),
    "FloatPixelData": ("FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit"),
    "DoubleFloatPixelData": ("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit"),
}
_PIXELS = (b"\xe0\x7f\x10\x00", b"\xe0\x7f\x08\x00", b"\xe0\x7f\x09\x00", b"\x7f\xe0\x00\x10", b"\x7f\xe0\x00\x08")
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_CLEANED = re.compile(
    rb"\x28\x00[\x20-\x25]\x01|\x00\x28\x01[\x20-\x25]"  # padding
    rb"|\x28\x00(?:[\x52\x53]\x10|[\x01\x02]\x01)(?:(?:DS|US)\x00\x00|\x00\x00\x00\x00)"  # rescaling or bits without a value
    rb"|\x00\x28(?:\x10[\x52\x53]|\x01[\x01\x02])(?:DS|US)\x00\x00"
    rb"|\x28\x00\x53\x10(?:DS..|....)[+-]?0[0. ]*+(?![1-9])"  # a slope of 0
    rb"|\x28\x00[\x00\x10]\x30(?:SQ......|....)\xfe\xff\x00\xe0(?:\x00{4}|\xff{4}\xfe\xff\x0d\xe0)",  # an empty table
    re.DOTALL,
)
_BITS_STORED = re.compile(rb"\x28\x00\x01\x01|\x00\x28\x01\x01")
_SLOPE, _INTERCEPT = re.compile(rb"\x28\x00\x53\x10|\x00\x28\x10\x53"), re.compile(rb"\x28\x00\x52\x10|\x00\x28\x10\x52")


def is_cleaned(data: bytes) -> bool:
    """Return whether the functions of this module may change how a DICOM file is read; found without parsing it."""
    if _DEFLATED in data[:1024]:
        return True
    ends = [position for mark in _PIXELS if (position := data.find(mark)) >= 0]
    head = data[: min(ends, default=0)]
    if not head:
        return False
    in_half = bool(_SLOPE.search(head)) != bool(_INTERCEPT.search(head))
    return in_half or not _BITS_STORED.search(head) or _CLEANED.search(head) is not None


def drop_empty(header: Header) -> None:
    """Remove the elements without a value, and the items without elements: they count as absent."""
    from pydicom.sequence import Sequence

    for tag in list(header.keys()):
        try:
            element = header[tag]
        except Exception:  # noqa: S112  # an unreadable value matters only if it is used
            continue
        if element.VR == "SQ":
            element.value = Sequence([item for item in element.value if len(item)])
        if element.is_empty:
            del header[tag]


def complete_rescaling(header: Header) -> None:
    """Add a missing slope of 1 or a missing intercept of 0: pydicom ignores one without the other.

    Raises:
        DataError: the slope is 0.
    """
    if "RescaleSlope" not in header and "RescaleIntercept" not in header:
        return
    header.RescaleSlope = header.get("RescaleSlope", 1)
    header.RescaleIntercept = header.get("RescaleIntercept", 0)
    if header.RescaleSlope == 0 and "ModalityLUTSequence" not in header:
        raise DataError("is DICOM whose RescaleSlope is 0, which makes all pixels equal")


def padding(header: Header, stored: NDArray[Any], bits: int) -> NDArray[np.bool_] | None:
    """Return which stored values are padding around the image (PS3.3 C.7.5.1.1.2), bool like `stored`; None without any.

    Raises:
        DataError: all of them are.
    """
    name = next((name for name in PADDING if name in header), "PixelData")
    ends = [_number(header.get(element)) for element in PADDING[name]]
    if ends[0] is None:
        return None
    low, high = sorted(_as_stored(end if end is not None else ends[0], stored, bits) for end in ends)
    absent = np.isnan(stored) if np.isnan(low) else (stored >= low) & (stored <= high)
    if absent.all():
        raise DataError("is DICOM that holds padding only")
    return np.asarray(absent) if absent.any() else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _as_stored(value: float, stored: NDArray[Any], bits: int) -> float:
    """Return a padding value as the pixels hold it: many files write a negative number as an unsigned one, or conversely."""
    if stored.dtype.kind == "f":
        return value
    least = -(2 ** (bits - 1)) if stored.dtype.kind == "i" else 0
    return float((int(value) - least) % int(2**bits) + least)
