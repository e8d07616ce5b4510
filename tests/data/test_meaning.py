"""What the header of a PNG, TIFF, PNM, BMP, JPEG or GIF says about its numbers is applied, in files of other programs, too."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from cxrbench.data.dataset import catalogue_images
from cxrbench.data.decoding.decode import HEADER_READER, decode, examine, readings_of

SIDE = 16
RAMP = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
GREY = RAMP.astype(np.uint8)
SCALED = ((RAMP - np.percentile(RAMP, 0.5)) / np.subtract(*np.percentile(RAMP, (99.5, 0.5))) * 255).clip(0, 255).round()
"""The ramp between its percentiles, as of all numbers of more than 8 bits."""


def grey(content):
    return decode(content, size=SIDE, resize="stretch").astype(int)


def tiff(values, photometric="minisblack", **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, photometric=photometric, **options)
    return buffer.getvalue()


KINDS = {
    "1 bit": (RAMP > 100, (RAMP > 100) * 255),
    "8 bits": (GREY, GREY),
    "16 bits": ((RAMP * 200).astype(np.uint16), SCALED),
    "fractions": ((RAMP / 7 - 5).astype(np.float32), SCALED),
}


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}, {"bigtiff": True}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_tiff_whose_0_is_white_is_inverted(kind, options):
    values, expected = KINDS[kind]
    np.testing.assert_allclose(grey(tiff(values, **options)), expected, atol=1)
    np.testing.assert_allclose(grey(tiff(values, "miniswhite", **options)), 255 - expected, atol=1)


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_signed_and_large_numbers_of_a_tiff_do_not_wrap(byteorder):
    for values in (
        (RAMP - 128).astype(np.int8),
        (RAMP * 200 - 20_000).astype(np.int16),
        (RAMP * 200_000 - 20_000_000).astype(np.int32),
        *([(RAMP * 16_000_000).astype(np.uint32)] if byteorder == "<" else []),
    ):
        np.testing.assert_allclose(grey(tiff(values, byteorder=byteorder)), SCALED, atol=1, err_msg=str(values.dtype))
    half = (RAMP // 2).astype(np.int8)
    np.testing.assert_array_equal(grey(tiff(half)), half)  # like unsigned ones


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("float64", {}),
        ("float16", {}),
        ("uint64", {}),
        ("int16", {"photometric": "miniswhite"}),
        ("uint32", {"byteorder": ">"}),
    ],
)
def test_a_tiff_of_other_numbers_is_refused_with_what_to_do(kind, options, reason_for):
    assert reason_for(tiff(RAMP.astype(kind), **options)) == (
        "is TIFF of a kind that cannot be read: save it in grey, with 8 or 16 bits"
    )


def without_field(content, tag):
    """Return a little-endian TIFF in which a field has a private tag, so that no reader knows it."""
    start, changed = struct.unpack_from("<I", content, 4)[0], bytearray(content)
    for number in range(struct.unpack_from("<H", content, start)[0]):
        position = start + 2 + 12 * number
        if struct.unpack_from("<H", content, position)[0] == tag:
            struct.pack_into("<H", changed, position, 65_000)
    return bytes(changed)


def with_values(content, **values):
    """Return a little-endian TIFF with the numbers of some fields changed."""
    start, changed = struct.unpack_from("<I", content, 4)[0], bytearray(content)
    wanted = {256: values.get("width"), 258: values.get("bits"), 262: values.get("photometric")}
    for number in range(struct.unpack_from("<H", content, start)[0]):
        position = start + 2 + 12 * number
        value = wanted.get(struct.unpack_from("<H", content, position)[0])
        if value is not None:
            struct.pack_into("<H", changed, position + 8, value)
    return bytes(changed)


def test_twelve_bits_of_a_tiff_are_read():
    content = tiff(packed(RAMP * 16, 12))
    np.testing.assert_allclose(grey(with_values(content, width=SIDE, bits=12)), SCALED, atol=1)


def test_bits_of_a_tiff_may_be_in_reverse_order():
    reverse = np.array([int(f"{value:08b}"[::-1], 2) for value in range(256)], dtype=np.uint8)
    content = tiff(reverse[GREY], extratags=[(65_000, "H", 1, 2, True)])
    named = content.replace(struct.pack("<HHI", 65_000, 3, 1), struct.pack("<HHI", 266, 3, 1))  # FillOrder
    np.testing.assert_array_equal(grey(named), GREY)


@pytest.mark.parametrize("photometric", [8, 9, 32_803])
def test_a_tiff_of_other_colours_is_refused(photometric, reason_for):
    assert "cannot be" in reason_for(with_values(tiff(np.stack([GREY] * 3, axis=-1), "rgb"), photometric=photometric))


def test_sub_images_of_a_tiff_are_not_read():
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(GREY, photometric="minisblack", subifds=1)
        writer.write(255 - GREY[::2, ::2], photometric="minisblack")
    np.testing.assert_array_equal(grey(buffer.getvalue()), GREY)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tiff_that_does_not_say_what_0_is_is_refused(kind, reason_for):
    assert reason_for(without_field(tiff(KINDS[kind][0]), 262)) == (
        "is TIFF without PhotometricInterpretation: it does not say whether 0 is black or white"
    )


def test_colours_of_a_tiff_are_read_in_any_planes(reason_for):
    eight = np.stack([GREY] * 3, axis=-1)
    sixteen = eight.astype(np.uint16) * 257
    for values in (eight, sixteen):
        np.testing.assert_array_equal(grey(tiff(values, "rgb")), GREY)
    separate = {"photometric": "rgb", "planarconfig": "separate"}
    np.testing.assert_array_equal(grey(tiff(np.moveaxis(eight, -1, 0), **separate)), GREY)
    assert "16-bit colours in separate planes" in reason_for(tiff(np.moveaxis(sixteen, -1, 0), **separate))


def test_further_samples_of_a_tiff_are_transparency_if_they_say_so():
    half = np.full((SIDE, SIDE), 128, dtype=np.uint8)
    values = np.stack([GREY, half], axis=-1)
    for kind, expected in (("unassalpha", GREY / 255 * 128), ("unspecified", GREY)):
        found = grey(tiff(values, extrasamples=[kind], planarconfig="contig"))
        np.testing.assert_allclose(found, expected, atol=1)


def test_a_palette_is_looked_up(encode):
    inverted = np.stack([np.arange(255, -1, -1) * 257] * 3).astype(np.uint16)
    np.testing.assert_array_equal(grey(tiff(GREY, "palette", colormap=inverted)), 255 - GREY)
    image = Image.fromarray(GREY).convert("P")
    image.putpalette([255 - value for value in range(256) for _ in range(3)])
    for kind in ("PNG", "GIF", "BMP"):
        np.testing.assert_array_equal(grey(encode(image, kind)), 255 - GREY)


def test_two_colours_of_a_bitmap_may_be_swapped(encode):
    content = encode(Image.fromarray(RAMP > 100), "BMP")
    swapped = content[:54] + content[58:62] + content[54:58] + content[62:]
    np.testing.assert_array_equal(grey(swapped), 255 - grey(content))


def chunk(name, data=b""):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(depth, colour_type, rows, *chunks):
    header = struct.pack(">IIBBBBB", SIDE, SIDE, depth, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IDAT", pixels) + chunk(b"IEND")


def packed(values, depth):
    """Return rows of so few bits per pixel as bytes."""
    bits = (values[..., None] >> np.arange(depth)[::-1]) & 1
    return np.packbits(bits.reshape(SIDE, -1).astype(np.uint8), axis=1)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_few_bits_of_a_png_are_scaled_and_its_transparent_grey_is_black(depth):
    most = 2**depth - 1
    values = RAMP * most // 255
    expected = values * 255 // most
    np.testing.assert_array_equal(grey(png(depth, 0, packed(values, depth))), expected)
    found = grey(png(depth, 0, packed(values, depth), chunk(b"tRNS", struct.pack(">H", most))))
    np.testing.assert_array_equal(found, np.where(values == most, 0, expected))


def test_a_transparent_grey_of_16_bits_is_black_and_sets_no_scale():
    values = RAMP * 200
    values[:, :5] = 65_535
    present = values[:, 5:]
    low, high = np.percentile(present, (0.5, 99.5))
    found = grey(png(16, 0, [row.astype(">u2").tobytes() for row in values], chunk(b"tRNS", b"\xff\xff")))
    np.testing.assert_array_equal(found[:, 5:], ((present - low) / (high - low) * 255).clip(0, 255).round())
    assert not found[:, :5].any()


def deep_rows(values, channels, alpha):
    grey_and_alpha = [values] * channels + [np.full_like(values, 65_535)] * alpha
    return [row.astype(">u2").tobytes() for row in np.stack(grey_and_alpha, axis=-1)]


@pytest.mark.parametrize(("colour_type", "channels", "alpha"), [(2, 3, 0), (4, 1, 1), (6, 3, 1)])
def test_deep_colours_are_read_or_refused_but_never_black(colour_type, channels, alpha, reason_for):
    content = png(16, colour_type, deep_rows(RAMP * 257, channels, alpha))
    image, facts = examine(content, size=SIDE, resize="stretch")
    np.testing.assert_array_equal(image, GREY)
    assert (facts.bits, facts.colour) == (16, False)
    of_12_bits = png(16, colour_type, deep_rows(RAMP * 16, channels, alpha))
    assert reason_for(of_12_bits).startswith("uses less than 64 / 256 of the range of its 16 bits")


def test_a_transparent_colour_of_16_bits_is_refused(reason_for):
    content = png(16, 2, deep_rows(RAMP * 257, 3, 0), chunk(b"tRNS", struct.pack(">HHH", 0, 0, 0)))
    assert reason_for(content) == "has a transparent colour of 16 bits: save it without transparency"


def test_gamma_profiles_and_significant_bits_change_nothing(encode):
    told = png(8, 0, GREY, chunk(b"gAMA", struct.pack(">I", 100_000)), chunk(b"sBIT", b"\5"))
    np.testing.assert_array_equal(grey(told), GREY)
    np.testing.assert_array_equal(grey(encode(GREY, "PNG", icc_profile=b"any profile")), GREY)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG2000", "TIFF"])
def test_what_is_transparent_is_black_in_every_format(encode, kind):
    shown = np.where(RAMP % 3, 255, 0).astype(np.uint8)
    image = Image.merge("RGBA", [*[Image.fromarray(GREY)] * 3, Image.fromarray(shown)])
    options = {"WEBP": {"lossless": True, "exact": True}}.get(kind, {})
    np.testing.assert_array_equal(grey(encode(image, kind, **options)), np.where(shown, GREY, 0))


def test_the_transparent_colour_of_a_gif_is_black(encode):
    np.testing.assert_array_equal(grey(encode(GREY, "GIF", transparency=200)), np.where(GREY == 200, 0, GREY))


def test_a_lossless_jpeg_is_refused(dicom, reason_for):
    from pydicom import dcmread, uid
    from pydicom.encaps import generate_frames

    header = dcmread(io.BytesIO(dicom(GREY, uid.JPEGLosslessSV1)))
    (frame,) = generate_frames(header.PixelData, number_of_frames=1)
    assert reason_for(bytes(frame))


def pnm(kind, values, most=None, head=b""):
    return b"P%d\n%s%d %d\n%s" % (kind, head, SIDE, SIDE, b"" if most is None else b"%d\n" % most) + bytes(values)


def test_a_pnm_is_scaled_by_its_largest_value():
    tens = (RAMP * 100 // 255).astype(np.uint8)
    np.testing.assert_allclose(grey(pnm(5, tens.tobytes(), 100)), tens * 2.55, atol=1)
    np.testing.assert_allclose(grey(pnm(5, (RAMP * 16).astype(">u2").tobytes(), 4095)), SCALED, atol=1)
    np.testing.assert_array_equal(grey(pnm(4, packed((RAMP > 100).astype(int), 1).tobytes())), (RAMP <= 100) * 255)


def test_several_images_in_a_pnm_are_refused(reason_for):
    bits = packed((RAMP > 100).astype(int), 1).tobytes()
    for one in (
        pnm(5, GREY.tobytes(), 255, b"# a comment\n"),
        pnm(5, RAMP.astype(">u2").tobytes(), 4095),
        pnm(6, np.repeat(GREY, 3).tobytes(), 255),
        pnm(4, bits),
    ):
        assert grey(one).shape == grey(one + b"\n").shape
        assert reason_for(one + one) == "has several images: save the right one as a single file"


@pytest.mark.parametrize("marker", [True, False])
def test_inks_of_a_jpeg_are_inverted_as_its_marker_says(encode, marker):
    black = Image.fromarray(255 - GREY)
    content = encode(Image.merge("CMYK", [Image.new("L", black.size)] * 3 + [black]), "JPEG", quality=100)
    at = content.index(b"\xff\xee")
    if not marker:
        content = content[:at] + content[at + 2 + struct.unpack_from(">H", content, at + 2)[0] :]
    np.testing.assert_allclose(grey(content), GREY, atol=4)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000", "PPM"])
def test_ordinary_files_keep_their_cache_key(encode, kind):
    for mode in ("L", "RGB"):
        assert readings_of(encode(Image.fromarray(GREY).convert(mode), kind)) == frozenset()
    if kind in {"PNG", "TIFF", "JPEG2000"}:
        assert readings_of(encode((RAMP * 200).astype(np.uint16), kind)) == frozenset()


def test_files_that_are_read_otherwise_change_the_cache_key(images_of, decoding, encode, monkeypatch):
    ordinary = encode(GREY)
    for content in (
        tiff(KINDS["16 bits"][0], "miniswhite"),
        tiff(KINDS["fractions"][0], "miniswhite"),
        without_field(tiff(GREY), 262),
        png(16, 2, deep_rows(RAMP * 257, 3, 0)),
        pnm(5, GREY.tobytes(), 255) * 2,
    ):
        assert readings_of(content) == {"header"}
        images = images_of({"a": ordinary, "b": content})
        before = catalogue_images(images, decoding).pixels.digest
        with monkeypatch.context() as patch:
            patch.setattr("cxrbench.data.decoding.decode.HEADER_READER", f"{HEADER_READER} changed")
            assert catalogue_images(images, decoding).pixels.digest != before


@pytest.mark.parametrize("position", range(0, 180, 3))
def test_a_broken_header_raises_nothing_when_it_is_catalogued(position):
    for content in (tiff(GREY, "miniswhite"), png(16, 0, [bytes(32)] * SIDE, chunk(b"tRNS", b"\0\0")), pnm(5, GREY, 255)):
        for written in (b"\xff" * 8, b"\0" * 8):
            readings_of(content[:position] + written + content[position + 8 :])
        readings_of(content[:position])
