from __future__ import annotations

import io
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cxrbench.data.decoding.decode import decode, examine


def stretch(source, size):
    return decode(source, size=size, resize="stretch")


def pad(source, size):
    return decode(source, size=size, resize="pad")


def white(height, width):
    return np.full((height, width), 255, dtype=np.uint8)


def huge_png(encode, side):
    """Return a tiny file that claims to hold an image of side times side pixels."""
    small = bytearray(encode(white(8, 8)))
    small[16:24] = struct.pack(">II", side, side)
    small[29:33] = struct.pack(">I", zlib.crc32(small[12:29]))
    return bytes(small)


@pytest.mark.parametrize("resize", ["stretch", "pad"])
@settings(deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70), size=st.integers(1, 40))
def test_any_image_becomes_a_grey_square_of_the_size(resize, height, width, size):
    image = decode(white(height, width), size=size, resize=resize)
    assert image.shape == (size, size)
    assert image.dtype == np.uint8
    assert image.max() == 255


def test_stretch_fills_the_square():
    left_black = np.hstack([white(20, 20) * 0, white(20, 20)])
    image = stretch(left_black, 10)
    assert (image[:, :4] == 0).all()
    assert (image[:, 6:] == 255).all()


def test_pad_keeps_the_shape_between_black_bars():
    wide = pad(white(20, 40), 20)
    assert (wide[5:15] == 255).all()
    assert not wide[:5].any()
    assert not wide[15:].any()
    np.testing.assert_array_equal(pad(white(40, 20), 20), wide.T)


def test_an_image_of_the_size_is_left_as_it_is(encode):
    image = np.random.default_rng(0).integers(0, 256, (9, 9), dtype=np.uint8)
    for source in (encode(image), image, np.stack([image] * 3, axis=-1)):
        for resize in ("stretch", "pad"):
            np.testing.assert_array_equal(decode(source, size=9, resize=resize), image)


def test_16_bit_png_is_scaled_to_8_bit_wherever_its_values_lie(encode):
    ramp = np.arange(100 * 100).reshape(100, 100)
    whole, twelve_bits = ramp * 6, 500 + ramp // 3
    for image in (whole, twelve_bits):
        grey = stretch(encode(image.astype(np.uint16)), 100).astype(float)
        assert grey.min() == 0
        assert grey.max() == 255
        np.testing.assert_allclose(grey, (ramp / 9999 * 255 - 127.5) * 1.01 + 127.5, atol=2)


def test_one_hot_pixel_does_not_darken_a_16_bit_image(encode):
    image = np.full((100, 100), 1000, dtype=np.uint16)
    image[:50] = 2000
    image[0, 0] = 65535
    assert stretch(encode(image), 100)[30, 30] == 255


@pytest.mark.parametrize(
    ("kind", "mode", "colour", "grey"),
    [
        ("PNG", "RGB", (255, 0, 0), 76),
        ("PNG", "RGB", (90, 90, 90), 90),
        ("PNG", "RGBA", (90, 90, 90, 255), 90),
        ("PNG", "RGBA", (200, 200, 200, 102), 80),
        ("PNG", "LA", (90, 255), 90),
        ("PNG", "LA", (200, 102), 80),
        ("PNG", "1", 1, 255),
        ("PNG", "L", 90, 90),
        ("JPEG", "CMYK", (0, 0, 0, 155), 100),
        ("JPEG", "RGB", (100, 100, 100), 100),
        ("JPEG", "L", 100, 100),
    ],
)
def test_every_mode_becomes_grey(encode, kind, mode, colour, grey):
    image = stretch(encode(Image.new(mode, (16, 16), colour), kind, quality=95), 16)
    assert np.abs(image.astype(int) - grey).max() <= (2 if kind == "JPEG" else 1)


def test_a_palette_becomes_grey_on_black(encode):
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 200, 200, 200])
    assert (stretch(encode(palette), 8) == 200).all()
    assert np.abs(stretch(encode(palette, transparency=bytes([0, 102])), 8).astype(int) - 80).max() <= 1


def test_what_shines_through_is_black(encode):
    clear = Image.merge("LA", [Image.new("L", (8, 8), 255), Image.new("L", (8, 8), 0)])
    clear.putpixel((3, 3), (255, 255))
    image = stretch(encode(clear), 8)
    assert image[3, 3] == image.sum() == 255


def test_a_file_and_its_bytes_give_the_same(encode, tmp_path):
    content = encode(np.random.default_rng(0).integers(0, 256, (30, 20), dtype=np.uint8))
    (tmp_path / "image.png").write_bytes(content)
    np.testing.assert_array_equal(stretch(tmp_path / "image.png", 8), stretch(content, 8))


@pytest.mark.parametrize(("height", "width"), [(1500, 2100), (2000, 700)])
@pytest.mark.parametrize("resize", ["stretch", "pad"])
def test_a_large_jpeg_looks_as_if_it_had_been_decoded_in_full(encode, height, width, resize):
    rows, columns = np.mgrid[:height, :width] / 300
    pixels = 127 + 90 * np.sin(3 * rows) * np.cos(2 * columns) + np.random.default_rng(0).normal(0, 10, (height, width))
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    content = encode(image.convert("RGB"), "JPEG", quality=90)
    full = Image.open(io.BytesIO(content)).convert("L")
    found = decode(content, size=100, resize=resize)
    expected = decode(np.asarray(full), size=100, resize=resize)
    assert np.abs(found.astype(int) - expected).mean() < 1.5


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_truncated_file_is_refused_with_a_reason(encode, reason_for, kind):
    content = encode(np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8), kind)
    assert "truncated" in reason_for(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\0", "is not an image of a known format"),
        (b"Notes about the images.\n" * 50, "is not an image of a known format"),
    ],
    ids=["empty", "one byte", "text"],
)
def test_files_that_are_not_images_are_refused(content, reason, tmp_path, reason_for):
    (tmp_path / "image.jpeg").write_bytes(content)
    assert reason_for(tmp_path / "image.jpeg") == reason_for(content) == reason


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_a_decompression_bomb_is_refused(encode, side, reason_for):
    assert "decompression bomb" in reason_for(huge_png(encode, side))


@pytest.fixture
def restless_threads():
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless_threads")
def test_threads_refuse_every_bomb_and_keep_the_callers_warnings(encode, reason_for):
    bomb = huge_png(encode, 10_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = list(warnings.filters)
        with ThreadPoolExecutor(8) as pool:
            reasons = set(pool.map(reason_for, [bomb] * 1000))
        after = list(warnings.filters)
    assert len(reasons) == 1
    assert "decompression bomb" in reasons.pop()
    assert after == before


def facts_of(source, size=8):
    return examine(source, size=size, resize="stretch")[1]


@pytest.mark.parametrize(("mode", "bits"), [("1", 1), ("L", 8), ("LA", 8), ("RGB", 8), ("RGBA", 8), ("I;16", 16), ("P", 8)])
def test_size_and_bits_of_a_file_are_reported(encode, mode, bits):
    facts = facts_of(encode(Image.new(mode, (30, 20))))
    assert (facts.bits, facts.width, facts.height, facts.colour) == (bits, 30, 20, False)
    assert facts.aspect == 1.5


def test_a_jpeg_decoded_at_reduced_scale_reports_its_full_size(encode):
    facts = facts_of(encode(Image.new("RGB", (2000, 1000), (50, 50, 50)), "JPEG"))
    assert (facts.width, facts.height) == (2000, 1000)


@pytest.mark.parametrize("red", [True, False])
@pytest.mark.parametrize(
    "options", [{"kind": "PNG"}, {"kind": "JPEG"}, {"kind": "JPEG", "quality": 10}, {"kind": "JPEG", "keep_rgb": True}]
)
def test_a_coloured_mark_is_colour_and_grey_stored_as_rgb_is_not(encode, options, red):
    image = np.stack([np.random.default_rng(0).integers(0, 256, (100, 100), dtype=np.uint8)] * 3, axis=-1)
    image[40:50, 40:50] = (255, 0, 0) if red else 120
    assert facts_of(encode(image, **options), size=100).colour is red


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK"])
def test_colour_is_detected_in_every_mode(encode, mode):
    image = Image.new("RGB", (20, 20), (200, 100, 50)).convert(mode)
    assert facts_of(encode(image, "JPEG" if mode == "CMYK" else "PNG")).colour


def test_the_grey_of_a_jpeg_in_rgb_is_its_luma(encode):
    grey = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50), dtype=np.uint8))
    alone = decode(encode(grey, "JPEG", quality=90), size=50, resize="stretch")
    np.testing.assert_allclose(stretch(encode(grey.convert("RGB"), "JPEG", quality=90), 50).astype(int), alone, atol=1)
    np.testing.assert_allclose(
        stretch(encode(grey.convert("RGB"), "JPEG", quality=100, keep_rgb=True), 50).astype(int), np.asarray(grey), atol=3
    )


def test_files_with_the_same_pixels_have_the_same_digest(encode):
    image = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    other = image.copy()
    other[3, 3] ^= 1
    digests = [facts_of(source).pixels for source in (image, encode(image), encode(image, "BMP"), encode(other))]
    assert digests[0] == digests[1] == digests[2] != digests[3]
