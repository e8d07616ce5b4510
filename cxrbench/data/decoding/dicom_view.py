"""Read the view position from the header of a DICOM file, without parsing the file."""

from __future__ import annotations

import re

from cxrbench.data.decoding.dicom import is_dicom

HEADER_BYTES = 2**20
"""The view position comes before the pixels; private elements before it may be large."""
_VIEW_POSITION = re.compile(
    rb"\x18\x00\x01\x51CS(?P<explicit>..)"
    rb"|\x18\x00\x01\x51(?P<implicit>.\x00\x00\x00)"
    rb"|\x00\x18\x51\x01CS(?P<big_endian>..)",
    re.DOTALL,
)
"""Element (0018,5101) and its length."""
_CODE = re.compile(rb"[A-Z0-9_ ]{1,16}")
"""A value of type CS (PS3.5, table 6.2-1)."""
_FRONTAL = re.compile(r"(AP|PA)\b.*|FRONTAL|(ANTERO|POSTERO).?(ANTERIOR|POSTERIOR)")


def view_of(data: bytes) -> str:
    """Return the view position of a DICOM file, such as ``PA`` or ``LL``; empty if it has none or is no DICOM file."""
    head = data[:HEADER_BYTES]
    if not is_dicom(head) or not (found := _VIEW_POSITION.search(head)):
        return ""
    length = found["explicit"] or found["implicit"] or found["big_endian"]
    count = int.from_bytes(length, "big" if found["big_endian"] else "little")
    value = head[found.end() : found.end() + count].rstrip(b" \0")
    return value.decode("ascii").strip() if _CODE.fullmatch(value) else ""


def is_frontal(view: str) -> bool:
    """Return whether a view position is frontal: PA, AP or one of their spellings."""
    return _FRONTAL.fullmatch(view.upper()) is not None
