"""Read from the header of a PNG, TIFF or PNM file what its numbers mean, where Pillow does not say or apply it."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.data.decoding.tiff_header import is_tiff, tiff_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2
"""PNG colour types."""
_DEPTHS = (1, 2, 4, 16)
"""Bits of a PNG whose transparent grey Pillow does not apply."""
_BETWEEN = rb"(?:\s|#[^\n]*\n)+"
_PNM = re.compile(rb"P([456])" + _BETWEEN + rb"(\d{1,9})" + _BETWEEN + rb"(\d{1,9})(?:(?<!P4)" + _BETWEEN + rb"(\d{1,5}))?\s")
_NEXT_PNM = re.compile(rb"P[1-6]\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What the numbers of a file mean, beyond what Pillow applies.

    Attributes:
        inverted: 0 is white.
        signed: the 8 bits of a grey are a signed number.
        unsigned: the 32 bits of a grey are an unsigned number.
        transparent: the grey of transparent pixels, of 16 bits as stored, of fewer in 0..255.
        deep: greys with alpha, or colours, have 16 bits, of which Pillow returns the upper 8.
        unclear: the reason why it cannot be known what the pixels mean; empty if it can.
    """

    inverted: bool = False
    signed: bool = False
    unsigned: bool = False
    transparent: int | None = None
    deep: bool = False
    unclear: str = ""


PLAIN = Meaning()
"""Of files that need nothing else: nearly all."""


def meaning_of(data: bytes) -> Meaning:
    """Return what the numbers of a file mean; `PLAIN` for other formats and for broken headers."""
    if data.startswith(_PNG):
        return _of_png(data)
    if is_tiff(data):
        return _of_tiff(data)
    return _of_pnm(data) if data[:1] == b"P" else PLAIN


def _of_png(data: bytes) -> Meaning:
    depth, colour_type = (*data[24:26], 0, 0)[:2]
    deep = depth == 16 and colour_type != _GREY
    if depth not in _DEPTHS or colour_type not in {_GREY, _RGB}:
        return Meaning(deep=deep)
    stored = next((content for name, content in _png_chunks(data) if name == b"tRNS"), b"")
    if stored and deep:
        return Meaning(deep=True, unclear="has a transparent colour of 16 bits: save it without transparency")
    if len(stored) != 2 or colour_type != _GREY:
        return Meaning(deep=deep)
    grey = int.from_bytes(stored, "big")
    return Meaning(transparent=grey if depth == 16 else grey * 255 // (2**depth - 1))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of the chunks before the pixels."""
    position = len(_PNG)
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        if name == b"IDAT":
            return
        yield name, data[position + 8 : position + 8 + min(length, 8)]
        position += 12 + length


def _of_tiff(data: bytes) -> Meaning:
    fields = tiff_fields(data)
    if fields is None:
        return PLAIN
    if fields.samples == 1 and fields.photometric is None:
        return Meaning(unclear="is TIFF without PhotometricInterpretation: it does not say whether 0 is black or white")
    if fields.samples > 1 and fields.bits == 16:
        planes = "is TIFF with 16-bit colours in separate planes: save them interleaved, or in grey"
        return Meaning(unclear=planes) if fields.is_planar else Meaning(deep=True)
    return Meaning(
        inverted=fields.samples == 1 and fields.photometric == 0 and fields.bits > 8,
        signed=fields.samples == 1 and fields.bits == 8 and fields.is_signed,
        unsigned=fields.samples == 1 and fields.bits == 32 and fields.is_unsigned,
    )


def _of_pnm(data: bytes) -> Meaning:
    header = _PNM.match(data[:4096])
    if not header:
        return PLAIN
    kind, width, height, most = (int(group or 0) for group in header.groups())
    row = (width + 7) // 8 if kind == 4 else width * (3 if kind == 6 else 1) * (2 if most > 255 else 1)
    several = _NEXT_PNM.match(data[header.end() + row * height :].lstrip()[:3])
    return Meaning(unclear="has several images: save the right one as a single file") if several else PLAIN
