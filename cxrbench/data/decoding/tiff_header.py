"""Read the few fields of a TIFF header that say what its numbers mean, in constant time whatever the header claims."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_BITS, _PHOTOMETRIC, _SAMPLES, _PLANES, _FORMAT = 258, 262, 277, 284, 339
_SHORT, _LONG = 3, 4
_FORMATS = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
"""Byte order, and whether it is BigTIFF, by the first four bytes."""
MOST_ENTRIES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffFields:
    """Fields of the first image of a TIFF file.

    Attributes:
        photometric: 0 if 0 is white, 1 if 0 is black, others for colours; None if the file does not say.
        bits: per sample.
        samples: per pixel.
        is_planar: whether each sample has a plane of its own.
        is_signed, is_unsigned: whether the samples are integers of that kind.
    """

    photometric: int | None
    bits: int
    samples: int
    is_planar: bool
    is_signed: bool
    is_unsigned: bool


def is_tiff(data: bytes) -> bool:
    """Return whether bytes begin like TIFF or BigTIFF."""
    return data[:4] in _FORMATS


def tiff_fields(data: bytes) -> TiffFields | None:
    """Return the fields of the first image; None if the header is broken."""
    try:
        found = _first_values(data)
    except (struct.error, OverflowError):
        return None
    kind = found.get(_FORMAT, 1)
    return TiffFields(
        photometric=found.get(_PHOTOMETRIC),
        bits=found.get(_BITS, 1),
        samples=found.get(_SAMPLES, 1),
        is_planar=found.get(_PLANES, 1) == 2,
        is_signed=kind == 2,
        is_unsigned=kind == 1,
    )


def _first_values(data: bytes) -> dict[int, int]:
    """Return the first number of each field that has whole numbers, by its tag."""
    order, big = _FORMATS[data[:4]]
    (start,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, 8 if big else 4)
    (entries,) = struct.unpack_from(f"{order}{'Q' if big else 'H'}", data, start)
    width, layout = (20, f"{order}HHQ") if big else (12, f"{order}HHI")
    first, place = start + (8 if big else 2), 8 if big else 4
    found: dict[int, int] = {}
    for number in range(min(entries, MOST_ENTRIES)):
        position = first + number * width
        tag, kind, count = struct.unpack_from(layout, data, position)
        if tag in {_BITS, _PHOTOMETRIC, _SAMPLES, _PLANES, _FORMAT} and kind in {_SHORT, _LONG} and tag not in found:
            size = 2 if kind == _SHORT else 4
            at = position + width - place
            if count * size > place:
                (at,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, at)
            (found[tag],) = struct.unpack_from(f"{order}{'H' if kind == _SHORT else 'I'}", data, at)
    return found
