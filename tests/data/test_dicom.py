"""DICOM images become the greys that a viewer shows, and what is no single image says so."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from cxrbench.data.dataset import catalogue_images
from cxrbench.data.decoding import dicom as dicom_module
from cxrbench.data.decoding.decode import decode, examine
from cxrbench.data.decoding.dicom import is_dicom

SIDE = 64
RAMP = np.arange(SIDE * SIDE, dtype=np.int64).reshape(SIDE, SIDE)
"""4,096 different values: all that 12 bits hold."""
SHARES = RAMP / RAMP.max()
COMPRESSED = (uid.RLELossless, uid.JPEGLosslessSV1, uid.JPEGLossless, uid.JPEGLSLossless, uid.JPEG2000Lossless)


def grey(content):
    return decode(content, size=SIDE, resize="stretch").astype(float)


@pytest.fixture
def ramp(dicom):
    """Return a function that makes a file of all values of 12 bits, with elements changed."""
    return partial(dicom, RAMP.astype(np.uint16), BitsStored=12)


def between_percentiles(values):
    low, high = np.percentile(values, (0.5, 99.5))
    return ((values - low) / (high - low) * 255).clip(0, 255)


def table(data, first=0, bits=16):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(data), first, bits])
    item.add_new("LUTData", "US", [int(value) for value in data])
    return Sequence([item])


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
@pytest.mark.parametrize("signed", [False, True])
def test_images_without_a_window_are_scaled_like_16_bit_png(dicom, bits, signed):
    values = (SHARES * (2**bits - 1)).astype(np.int64) - signed * 2 ** (bits - 1)
    content = dicom(values.astype(np.int16 if signed else np.uint16), BitsStored=bits)
    np.testing.assert_allclose(grey(content), between_percentiles(values), atol=1)
    facts = examine(content, size=SIDE, resize="stretch")[1]
    assert (facts.bits, facts.colour, facts.width, facts.height) == (bits, False, SIDE, SIDE)


def test_8_bits_are_taken_as_they_are_as_of_any_other_file(dicom):
    image = np.full((SIDE, SIDE), 100, dtype=np.uint8)
    image[0] = 90
    np.testing.assert_array_equal(grey(dicom(image)), image)


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16])
def test_every_uncompressed_syntax_gives_the_same(dicom, syntax, kind):
    image = (RAMP % 256).astype(kind)
    np.testing.assert_array_equal(grey(dicom(image, syntax)), grey(dicom(image)))


@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_every_lossless_compression_gives_the_same(dicom, syntax, bits):
    image = (SHARES * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    np.testing.assert_array_equal(grey(dicom(image, syntax, BitsStored=bits)), grey(dicom(image, BitsStored=bits)))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_baseline_jpeg_gives_nearly_the_same(dicom, encode, mode):
    image = np.asarray(Image.fromarray((SHARES * 255).astype(np.uint8)).convert(mode))
    photometric = "MONOCHROME2" if mode == "L" else "YBR_FULL_422"
    jpeg = encode(image, "JPEG", quality=95)
    content = dicom(image, uid.JPEGBaseline8Bit, jpeg=jpeg, PhotometricInterpretation=photometric)
    np.testing.assert_allclose(grey(content), SHARES * 255, atol=4)


@pytest.mark.parametrize("syntax", [uid.JPEG2000, uid.JPEGLSNearLossless], ids=lambda syntax: syntax.keyword)
def test_lossy_compressions_of_12_bits_are_read(dicom, syntax):
    image = RAMP.astype(np.uint16)
    np.testing.assert_allclose(grey(dicom(image, syntax, BitsStored=12)), between_percentiles(image), atol=4)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    "elements", [{}, {"WindowCenter": 2048, "WindowWidth": 4096}, {"PresentationLUTShape": "INVERSE"}], ids=str
)
def test_monochrome1_or_an_inverse_presentation_is_inverted_once(ramp, photometric, elements):
    image = grey(ramp(PhotometricInterpretation=photometric, **elements))
    inverted = photometric == "MONOCHROME1" or "PresentationLUTShape" in elements
    assert (image[0, 0], image[-1, -1]) == ((255, 0) if inverted else (0, 255))


def linear(values, centre, width):
    return ((values - (centre - 0.5)) / (width - 1) + 0.5).clip(0, 1) * 255  # PS3.3 C.11.2.1.2.1


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("LINEAR", lambda values: linear(values, 1000, 500)),
        ("LINEAR_EXACT", lambda values: ((values - 1000) / 500 + 0.5).clip(0, 1) * 255),
        ("SIGMOID", lambda values: 255 / (1 + np.exp(-4 * (values - 1000) / 500))),
    ],
)
def test_a_window_is_applied_by_its_function(ramp, function, expected):
    content = ramp(WindowCenter=1000, WindowWidth=500, VOILUTFunction=function)
    np.testing.assert_allclose(grey(content), expected(RAMP), atol=1)


def test_the_first_window_applies_to_rescaled_values(ramp):
    found = grey(ramp(RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=[3000, 40], WindowWidth=[2000, 400]))
    np.testing.assert_allclose(found, linear(RAMP * 2.0 - 1000, 3000, 2000), atol=1)


@pytest.mark.parametrize(
    "window", [{"WindowWidth": 0}, {"WindowWidth": 0.5}, {"WindowWidth": -5}, {"WindowCenter": None}, {"WindowWidth": ""}]
)
def test_an_invalid_window_is_ignored(ramp, window):
    elements = {"WindowCenter": 1000, "WindowWidth": 500} | window
    given = {name: value for name, value in elements.items() if value is not None}
    np.testing.assert_allclose(grey(ramp(**given)), between_percentiles(RAMP), atol=1)


@pytest.mark.parametrize("bits", [12, 16])
def test_a_voi_table_wins_over_a_window_with_its_own_range(ramp, bits):
    squares = (np.arange(4096) ** 2 / 4095**2 * 4095).astype(int)
    content = ramp(VOILUTSequence=table(squares, bits=bits), WindowCenter=9, WindowWidth=9)
    np.testing.assert_allclose(grey(content), SHARES**2 * 255, atol=1)


def test_a_modality_table_comes_before_all_else(ramp):
    content = ramp(ModalityLUTSequence=table(np.arange(4095, -1, -1)), WindowCenter=2048, WindowWidth=4096)
    np.testing.assert_allclose(grey(content), (1 - SHARES) * 255, atol=1)


def test_other_things_in_unused_bits_are_left_out(dicom):
    above = (RAMP | 0xA000).astype(np.uint16)
    below = ((RAMP << 4) | 5).astype(np.uint16)
    expected = grey(dicom(RAMP.astype(np.uint16), BitsStored=12))
    np.testing.assert_array_equal(grey(dicom(above, BitsStored=12)), expected)
    np.testing.assert_array_equal(grey(dicom(below, BitsStored=12, HighBit=15)), expected)


def test_colours_become_their_luma(dicom, encode):
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(grey(dicom(image)), grey(encode(image)))
    assert examine(dicom(image), size=SIDE, resize="stretch")[1].colour


def test_palette_colours_are_looked_up(dicom):
    image = (RAMP % 256).astype(np.uint8)
    content = pydicom.dcmread(io.BytesIO(dicom(image, PhotometricInterpretation="PALETTE COLOR")))
    for colour in ("Red", "Green", "Blue"):
        content.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        content.add_new(
            f"{colour}PaletteColorLookupTableData", "OW", (np.arange(255, -1, -1) * 257).astype(np.uint16).tobytes()
        )
    buffer = io.BytesIO()
    content.save_as(buffer)
    np.testing.assert_allclose(grey(buffer.getvalue()), 255 - image, atol=1)


def test_dicom_without_a_single_image_is_refused(dicom, reason_for):
    image = np.zeros((SIDE, SIDE), dtype=np.uint16)
    assert reason_for(dicom(np.zeros((SIDE * 2, SIDE), np.uint16), Rows=SIDE, NumberOfFrames=2)) == (
        "is DICOM with 2 frames: save the right one as a single file"
    )
    assert reason_for(dicom(image, PixelData=None)) == "is DICOM without an image, or truncated before it"
    assert reason_for(dicom(image, Rows=0)) == "is DICOM that claims to be 64 x 0 pixels"
    assert reason_for(dicom(image, Rows=65535, Columns=65535)).startswith("is too large: DICOM of 65,535 x 65,535 pixels")
    assert "neither grey nor" in reason_for(dicom(image, PhotometricInterpretation="HSV"))
    assert "do not match its header" in reason_for(dicom(image)[:-100])


@pytest.mark.parametrize(
    "syntax", [uid.MPEG2MPML, uid.HTJ2KLossless, uid.UID("1.2.840.10008.1.2.4.94")], ids=lambda syntax: syntax.keyword
)
def test_a_syntax_that_cannot_be_read_is_named(dicom, syntax, reason_for):
    reason = reason_for(dicom(np.zeros((SIDE, SIDE), dtype=np.uint8), syntax, jpeg=b"\xff\x4f\xff\x51"))
    assert syntax.name in reason


def test_dicom_is_recognised_by_its_bytes_alone(dicom, tmp_path):
    image = RAMP.astype(np.uint16)
    expected = grey(dicom(image))
    path = tmp_path / "image.jpeg"
    path.write_bytes(dicom(image))
    np.testing.assert_array_equal(grey(path), expected)
    for syntax in (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian):
        whole = dicom(image, syntax)
        bare = whole[whole.index(b"\x00\x08" if syntax == uid.ExplicitVRBigEndian else b"\x08\x00", 300) :]
        for content in (whole[132:], bare):
            assert is_dicom(content)
            np.testing.assert_array_equal(grey(content), expected)


def test_other_formats_are_not_dicom(encode):
    image = (SHARES * 255).astype(np.uint8)
    for kind in ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000"):
        assert not is_dicom(encode(image, kind))
    assert not is_dicom(b"")
    assert not is_dicom(b"path,label\n" * 40)


BUNDLED = {
    "JPEG2000.dcm": 1024,
    "JPEGLSNearLossless_08.dcm": 45,
    "MR_small_RLE.dcm": 64,
    "MR_small_bigendian.dcm": 64,
    "MR_small_implicit.dcm": 64,
    "MR_small_jp2klossless.dcm": 64,
    "MR_small_jpeg_ls_lossless.dcm": 64,
    "CT_small.dcm": 128,
    "SC_rgb_jpeg_gdcm.dcm": 100,
    "SC_ybr_full_422_uncompressed.dcm": 100,
    "ExplVR_LitEndNoMeta.dcm": 0,
    "examples_palette.dcm": 350,
}


@pytest.mark.parametrize("name", BUNDLED)
def test_files_of_other_makers_are_read(name, reason_for):
    path = Path(pydicom.__file__).parent / "data" / "test_files" / name
    if not path.is_file():
        pytest.skip("this release of pydicom does not bring the file")
    if not BUNDLED[name]:
        assert reason_for(path) == "is DICOM without an image, or truncated before it"
    else:
        assert examine(path, size=SIDE, resize="stretch")[1].height == BUNDLED[name]


def test_every_syntax_gives_the_uncompressed_pixels():
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    expected = grey(folder / "MR_small.dcm")
    assert expected.std() > 20
    for name in ("RLE", "bigendian", "implicit", "jp2klossless", "jpeg_ls_lossless", "expb", "padded"):
        np.testing.assert_array_equal(grey(folder / f"MR_small_{name}.dcm"), expected)


def test_files_skipped_without_a_package_are_decoded_with_it(dicom, images_of, png_files, decoding, monkeypatch):
    def key(contents):
        return catalogue_images(images_of(contents), decoding).pixels.digest

    images, mixed = png_files(3), png_files(3) | {"image.dcm": dicom(RAMP.astype(np.uint16))}
    before = key(images), key(mixed)
    monkeypatch.setattr(dicom_module, "DICOM_PACKAGES", ("no-such-package",))
    after = key(images), key(mixed)
    assert after[0] == before[0]  # nothing else is decoded anew
    assert after[1] != before[1]
