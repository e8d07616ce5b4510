"""Find weights files that were cut off, before a library reads them."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HDF5 = b"\x89HDF\r\n\x1a\n"
LONGEST_SUPERBLOCK = 96
ZIP_ENDINGS = (".keras", ".npz", ".zip")


def problem_of_size(path: Path) -> str:
    """Return why a weights file is incomplete, or an empty string. Files of unknown formats are not judged."""
    with path.open("rb") as file:
        start = file.read(LONGEST_SUPERBLOCK)
    size = path.stat().st_size
    if not size:
        return "is empty"
    if path.name.endswith(ZIP_ENDINGS) and not zipfile.is_zipfile(path):
        return "is cut off, or is another kind of file than its name says"
    if start.startswith(HDF5) and size < (whole := _size_of_hdf5(start)):
        return f"is cut off: it has {size:,} of {whole:,} bytes"
    return ""


def _size_of_hdf5(start: bytes) -> int:
    """Return the bytes of an HDF5 file from its superblock (HDF5 File Format Specification 3.0, II.A); 0 if it is unknown."""
    version = start[8] if len(start) > 8 else -1
    if version in {0, 1}:
        width, base = start[13:14], 24 + 4 * version
    elif version in {2, 3}:
        width, base = start[9:10], 12
    else:
        return 0
    addresses = width[0] if width else 0
    fields = [start[base + number * addresses :][:addresses] for number in (0, 2)]
    if not addresses or any(len(field) < addresses for field in fields):
        return LONGEST_SUPERBLOCK  # the superblock itself is cut off
    return sum(int.from_bytes(field, "little") for field in fields)
