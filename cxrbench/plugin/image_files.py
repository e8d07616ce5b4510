"""Tell image files from other files, by their first bytes or their names, without decoding them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ENDINGS = (
    *(".png", ".apng", ".jpeg", ".jpg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".jp2", ".j2k"),
    *(".pgm", ".ppm", ".pbm", ".pnm", ".dcm", ".dicom"),
)
_BEGINNINGS = (
    *(b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"GIF8", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    *(b"P%d%c" % (kind, space) for kind in range(1, 7) for space in b" \t\r\n"),
)
_APPLE_DOUBLE = b"\0\5\x16\7"
"""macOS writes such a file, named like the image with ``._`` before it, into archives and onto other file systems."""


def looks_like_image(path: Path) -> bool:
    """Return whether a regular file begins or is named like an image; False if it cannot be read."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            start = file.read(132)
    except OSError:
        return is_named_like_image(path.name)
    if start.startswith(_APPLE_DOUBLE):
        return False
    is_bmp = start.startswith(b"BM") and start[6:10] == bytes(4)
    is_webp = start.startswith(b"RIFF") and start[8:12] == b"WEBP"
    return start.startswith(_BEGINNINGS) or start[128:] == b"DICM" or is_bmp or is_webp or is_named_like_image(path.name)


def is_named_like_image(name: str) -> bool:
    """Return whether a file name ends like that of an image."""
    return name.casefold().endswith(_ENDINGS)
