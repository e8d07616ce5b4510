"""Elements without a value count as absent, rescaling in half is completed, and padding is not part of the image."""

from __future__ import annotations

import io
from functools import partial

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from cxrbench.data.dataset import catalogue_images
from cxrbench.data.decoding.decode import decode, readings_of
from cxrbench.data.decoding.dicom_header import padding as padding_of

SIDE = 64
RAMP = np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE)
SYNTAXES = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)
PADDED = np.zeros((SIDE, SIDE), dtype=bool)
PADDED[:, :20] = True


def grey(content):
    return decode(content, size=SIDE, resize="stretch").astype(int)


@pytest.fixture
def ramp(dicom):
    """Return a function that makes a file of all values of 12 bits, with elements changed."""
    return partial(dicom, RAMP, BitsStored=12)


EMPTY_TABLE = Sequence([Dataset()])


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize(
    "elements",
    [
        {"RescaleSlope": None, "RescaleIntercept": None},
        {"RescaleSlope": 1, "RescaleIntercept": None},
        {"RescaleSlope": "", "RescaleIntercept": 0},
        {"WindowCenter": None, "WindowWidth": None},
        {"WindowCenter": 5, "WindowWidth": None, "VOILUTFunction": None},
        {"ModalityLUTSequence": None, "VOILUTSequence": None},
        {"ModalityLUTSequence": EMPTY_TABLE, "VOILUTSequence": EMPTY_TABLE},
        {"PresentationLUTShape": None, "NumberOfFrames": None, "PlanarConfiguration": None},
        {"HighBit": None, "PixelPaddingValue": None, "PixelPaddingRangeLimit": None},
    ],
    ids="+".join,
)
def test_an_element_without_a_value_counts_as_absent(ramp, syntax, elements):
    content = with_elements(ramp(syntax=syntax), **elements)
    np.testing.assert_array_equal(grey(content), grey(ramp()))


def with_elements(content, vr="US", **elements):
    """Return a file with elements changed; None leaves them without a value. `vr` is that of padding."""
    header = pydicom.dcmread(io.BytesIO(content))
    for name, value in elements.items():
        if name.startswith("PixelPadding"):
            header.add_new(name, vr, value)
        else:
            setattr(header, name, value)
    buffer = io.BytesIO()
    header.save_as(buffer)
    return buffer.getvalue()


def test_bits_that_are_not_stored_are_all_that_are_allocated(ramp):
    np.testing.assert_array_equal(grey(with_elements(ramp(), BitsStored=None)), grey(ramp(BitsStored=16)))


@pytest.mark.parametrize(
    ("half", "whole"),
    [
        ({"RescaleSlope": -1}, {"RescaleSlope": -1, "RescaleIntercept": 0}),
        ({"RescaleSlope": 2}, {"RescaleSlope": 2, "RescaleIntercept": 0}),
        ({"RescaleIntercept": -1000}, {"RescaleSlope": 1, "RescaleIntercept": -1000}),
        ({"RescaleSlope": None, "RescaleIntercept": -1000}, {"RescaleSlope": 1, "RescaleIntercept": -1000}),
    ],
)
def test_a_slope_without_an_intercept_is_applied_and_conversely(ramp, half, whole):
    window = {"WindowCenter": 900, "WindowWidth": 3000}
    found = grey(with_elements(ramp(**window), **half))
    np.testing.assert_array_equal(found, grey(ramp(**window, **whole)))
    assert not np.array_equal(found, grey(ramp(**window)))


@pytest.mark.parametrize("slope", [0, "0.0", "-0"])
def test_a_slope_of_0_is_refused(ramp, reason_for, slope):
    assert reason_for(ramp(RescaleSlope=slope, RescaleIntercept=7)) == (
        "is DICOM whose RescaleSlope is 0, which makes all pixels equal"
    )


def padded(values, padding):
    """Return an image with padding at its left."""
    return np.where(PADDED, padding, values).astype(values.dtype)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize(
    "padding",  # the values, what is stored as padding, and what the header says of it
    [
        (RAMP, 65535, 65535, None),
        (RAMP, 0, 0, None),
        (RAMP.astype(np.int16) - 1000, -32768, -32768, None),
        (RAMP.astype(np.int16) - 1000, -32000, -32768, -31000),
        (RAMP.astype(np.int16) - 1000, -32000, -31000, -32768),
        (RAMP, 60000, 59999, 60001),
    ],
)
def test_padding_is_black_and_does_not_set_the_scale(dicom, syntax, padding):
    values, stored, written, limit = padding
    low, high = np.percentile(values[~PADDED].astype(float), (0.5, 99.5))
    expected = ((values - low) / (high - low) * 255).clip(0, 255).round()
    elements = {"PixelPaddingValue": written} | ({} if limit is None else {"PixelPaddingRangeLimit": limit})
    for photometric, shown in (("MONOCHROME2", expected), ("MONOCHROME1", 255 - expected)):
        found = grey(dicom(padded(values, stored), syntax, PhotometricInterpretation=photometric, **elements))
        np.testing.assert_array_equal(found[~PADDED], shown[~PADDED])
        assert not found[PADDED].any()


def test_padding_under_a_window_or_of_8_bits_leaves_the_image_alone(dicom):
    window = {"WindowCenter": 2000, "WindowWidth": 3000}
    eight = (RAMP // 17).astype(np.uint8)
    for values, padding, elements in ((RAMP, 65535, window), (RAMP, 65535, window | {"RescaleSlope": 2}), (eight, 255, {})):
        found = grey(dicom(padded(values, padding), PixelPaddingValue=padding, **elements))
        np.testing.assert_array_equal(found[~PADDED], grey(dicom(values, **elements))[~PADDED])
        assert not found[PADDED].any()


@pytest.mark.parametrize(("written", "vr"), [(63536, "US"), (-2000, "SS")])
def test_padding_written_with_the_other_sign_is_found(dicom, written, vr):
    values = padded(RAMP.astype(np.int16), -2000)
    content = dicom(values)
    found = grey(with_elements(content, vr=vr, PixelPaddingValue=written))
    assert not found[PADDED].any()
    assert found[~PADDED].std() > 20


@pytest.mark.parametrize("padding", [np.nan, -1e30])
def test_padding_of_numbers_with_fractions_is_found(dicom, padding):
    values = np.where(PADDED, padding, RAMP / 7).astype(np.float32)
    content = dicom(
        RAMP.astype(np.uint32),
        PixelData=None,
        FloatPixelData=values.tobytes(),
        FloatPixelPaddingValue=float(np.float32(padding)),
        BitsStored=32,
    )
    found = grey(content)
    assert not found[PADDED].any()
    assert found[~PADDED].std() > 20


def test_an_image_of_padding_only_is_refused(dicom, reason_for):
    assert reason_for(dicom(np.full((8, 8), 9, np.uint16), PixelPaddingValue=9)) == "is DICOM that holds padding only"


def test_a_padding_value_that_no_pixel_has_changes_nothing(ramp):
    np.testing.assert_array_equal(grey(ramp(PixelPaddingValue=4095 + 9, BitsStored=16)), grey(ramp(BitsStored=16)))


READ_ALIKE = (
    {"RescaleSlope": 1, "RescaleIntercept": 0},
    {"RescaleSlope": "0.5", "RescaleIntercept": "-7"},
    {"WindowCenter": 5, "WindowWidth": 9, "VOILUTFunction": "LINEAR"},
    {"PhotometricInterpretation": "MONOCHROME1"},
)


@pytest.mark.parametrize("syntax", [*SYNTAXES, uid.RLELossless, uid.JPEG2000Lossless], ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("elements", READ_ALIKE, ids="+".join)
def test_files_that_were_always_read_alike_keep_their_cache_key(ramp, syntax, elements):
    assert readings_of(ramp(syntax=syntax, **elements)) == {"dicom"}


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
def test_files_that_are_read_otherwise_have_another_cache_key(ramp, syntax, images_of, decoding):
    plain = ramp(syntax=syntax)
    for elements in (
        {"PixelPaddingValue": 5},
        {"RescaleSlope": None, "RescaleIntercept": None},
        {"RescaleSlope": 2},
        {"BitsStored": None},
    ):
        assert readings_of(with_elements(plain, **elements)) == {"dicom", "header"}, elements
    for slope in (0, "0.00"):
        content = with_elements(plain, RescaleSlope=slope, RescaleIntercept=0)
        assert ("header" in readings_of(content)) == (syntax != uid.ExplicitVRBigEndian)
    keys = {catalogue_images(images_of({"a": one}), decoding).pixels.digest for one in (plain, plain + b"\0\0")}
    assert len(keys) == 2


@given(st.integers(-2048, 2047), st.booleans())
def test_a_padding_value_is_found_whatever_its_sign(value, flipped):
    stored = np.array([[value, value - 1 if value > 0 else value + 1]], dtype=np.int16)
    header = Dataset()
    header.add_new("PixelPaddingValue", "US" if flipped else "SS", value % 65536 if flipped else value)
    np.testing.assert_array_equal(padding_of(header, stored, 12), [[True, False]])
