"""Orientation, colours, several images in one file, formats, and images of 30,000 pixels."""

from __future__ import annotations

import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.ExifTags import Base as Tag

from cxrbench.data.decoding.decode import decode, examine

ROWS, COLUMNS = np.mgrid[:48, :64]
GREY = (ROWS * 3 + COLUMNS).astype(np.uint8)
"""Bright at the lower right alone, so that every turn shows."""


def grey(content, size=48):
    return decode(content, size=size, resize="stretch").astype(int)


def exif_of(turn):
    exif = Image.Exif()
    exif[Tag.Orientation] = turn
    return exif


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_an_image_is_rotated_as_its_exif_says(encode, kind, mode, turn):
    image = Image.fromarray(GREY).convert(mode)
    options = {"quality": 100} if kind in {"JPEG", "WEBP"} else {}
    content = encode(image, kind, exif=exif_of(turn), **options)
    image.getexif()[Tag.Orientation] = turn
    upright = np.asarray(ImageOps.exif_transpose(image).convert("L"))
    np.testing.assert_allclose(grey(content), grey(upright), atol=4)
    facts = examine(content, size=48, resize="stretch")[1]
    assert (facts.height, facts.width) == upright.shape


@pytest.mark.parametrize(
    "exif",
    [
        *(b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0"),
        *(exif_of(turn) for turn in (0, 9, 77)),
    ],
)
def test_broken_exif_turns_nothing_and_says_nothing(encode, exif, recwarn):
    np.testing.assert_array_equal(grey(encode(GREY, "JPEG", exif=exif)), grey(encode(GREY, "JPEG")))
    assert not recwarn.list


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF", "PPM", "JPEG2000"])
def test_every_lossless_format_gives_the_same_under_any_name(encode, kind, tmp_path):
    (tmp_path / "image.jpeg").write_bytes(encode(GREY, kind))
    np.testing.assert_array_equal(grey(tmp_path / "image.jpeg"), grey(GREY))


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "tiff_raw_16"])
def test_tiffs_of_8_and_16_bits_are_read(encode, compression):
    sixteen = compression == "tiff_raw_16"
    content = encode((GREY.astype(np.uint16) * 200) if sixteen else GREY, "TIFF", compression="raw" if sixteen else compression)
    low, high = np.percentile(GREY, (0.5, 99.5))
    expected = ((GREY - low) / (high - low) * 255).clip(0, 255).round().astype(np.uint8) if sixteen else GREY
    np.testing.assert_allclose(grey(content), grey(expected), atol=1)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_read_in_its_luma(encode, kind):
    content = encode(Image.fromarray(GREY).convert("RGB").convert("CMYK"), kind, **({"quality": 95} if kind == "JPEG" else {}))
    np.testing.assert_allclose(grey(content), grey(GREY), atol=4)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_several_images_in_a_file_are_refused_with_their_number(encode, kind, reason_for):
    content = encode(GREY, kind, save_all=True, append_images=[Image.fromarray(255 - GREY)])
    assert reason_for(content) == "has 2 images: save the right one as a single file"


def test_a_photograph_with_its_thumbnail_is_one_image(encode):
    content = encode(GREY, "MPO", save_all=True, append_images=[Image.new("L", (8, 8))], quality=95)
    np.testing.assert_allclose(grey(content), grey(GREY), atol=4)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_not_finite_are_refused(encode, value, reason_for):
    image = GREY.astype(np.float32)
    image[3, 4] = value
    assert reason_for(encode(image, "TIFF")) == "has values that are not finite numbers"


def test_programs_that_draw_an_image_are_not_run(encode, reason_for):
    assert reason_for(encode(Image.fromarray(GREY), "EPS")) == "is not an image of a known format"


def test_no_words_of_a_header_are_in_a_reason(reason_for):
    assert "Doe" not in reason_for(b"P5\n# Jane^Doe\nJane^Doe 3\n255\n")
    assert "Doe" not in reason_for(b"P2\n3 3\n255\nJane^Doe 1 2 3 4 5 6 7 8")


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_start(width, height, bits=8):
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))


def png_of_one_grey(width, height, bits=8):
    """Return a PNG of rows that repeat a pattern, made without holding it in memory."""
    packer, packed = zlib.compressobj(1), []
    noise = np.random.default_rng(0)
    for row in range(height):
        if row % 1000 == 0:  # no image is as empty as a bomb
            line = b"\0" + noise.integers(0, 256, width * bits // 8, dtype=np.uint8).tobytes()
        packed.append(packer.compress(line if row % 1000 < 4 else b"\0" * (width * bits // 8 + 1)))
    packed.append(packer.flush())
    return png_start(width, height, bits) + chunk(b"IDAT", b"".join(packed)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height", "bits"), [(30_000, 4_000, 8), (4_000, 30_000, 16)])
def test_an_image_of_30000_pixels_on_one_side_is_read(width, height, bits):
    content = png_of_one_grey(width, height, bits)
    image, facts = examine(content, size=50, resize="stretch")
    assert (facts.width, facts.height, facts.bits) == (width, height, bits)
    assert image.shape == (50, 50)
    assert image.std() > 0


def test_a_large_image_is_decoded_like_a_small_one(encode):
    ramp = (np.arange(9_500) * 127 // 9_500).astype(np.uint8)
    image = np.add.outer(ramp, ramp)
    small = decode(image, size=64, resize="stretch").astype(int)
    for content in (encode(image, "JPEG"), encode(image, "TIFF")):
        np.testing.assert_allclose(grey(content, 64), small, atol=2)


def test_an_image_that_needs_too_much_memory_is_refused(reason_for):
    content = bytearray(png_of_one_grey(64, 64))
    content[16:26] = struct.pack(">IIBB", 30_000, 30_000, 8, 2)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    assert reason_for(bytes(content)).startswith("is a decompression bomb")
    padded = bytes(content) + bytes(2_000_000)  # large enough not to be a bomb
    assert reason_for(padded).startswith("is too large: 30,000 x 30,000 pixels take 3.6 GB")


def test_no_more_than_the_bytes_of_a_bomb_are_taken(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_start(60_000, 60_000) + chunk(b"IDAT", b""))
    program = "import sys; from pathlib import Path; from cxrbench.data.decoding.decode import decode; import resource\n" + (
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: decode(Path(sys.argv[1]), size=8, resize='stretch')\n"
        "except Exception as error: print(error)\n"
        "taken = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))\n"
        "print(taken - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "bomb.png")], capture_output=True, text=True, check=True
    )
    reason, kilobytes = done.stdout.splitlines()
    assert reason.startswith("is a decompression bomb: ")
    assert int(kilobytes) < 200_000


def test_warnings_of_pillow_are_not_the_users(encode, reason_for):
    content = bytearray(encode(GREY, "TIFF", compression="tiff_lzw"))
    content[4:8] = b"\xff\xff\0\0"
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        reason_for(bytes(content))
    assert heard == []
