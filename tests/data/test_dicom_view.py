"""The view position in the header of a DICOM file."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import uid

from cxrbench.data.decoding.dicom_view import is_frontal, view_of

GREYS = np.arange(64, dtype=np.uint8).reshape(8, 8)


@pytest.mark.parametrize(
    "syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.RLELossless]
)
@pytest.mark.parametrize("view", ["PA", "LL", "LATERAL"])
def test_the_view_is_read_in_every_encoding(dicom, syntax, view):
    # the next element begins with letters, which are not of the value
    assert view_of(dicom(GREYS, syntax, ViewPosition=view, StudyInstanceUID="1.2.3")) == view


def test_files_without_a_view_have_none(dicom, encode):
    assert view_of(dicom(GREYS)) == ""
    assert view_of(dicom(GREYS, ViewPosition="")) == ""
    assert view_of(encode(GREYS) + b"\x18\x00\x01\x51CS\x02\x00LL") == ""
    assert view_of(b"") == ""


def test_a_value_that_is_no_code_is_not_repeated():
    start = bytes(128) + b"DICM" + b"\x18\x00\x01\x51CS"
    assert view_of(start + b"\x08\x00Doe^John") == ""
    assert view_of(start + b"\xff\xffLL") == "LL"


@pytest.mark.parametrize("view", ["PA", "AP", "AP SUPINE", "pa", "POSTERO_ANTERIOR", "FRONTAL"])
def test_frontal_views_are_known(view):
    assert is_frontal(view)


@pytest.mark.parametrize("view", ["LL", "RL", "LATERAL", "LLD", "RAO"])
def test_other_views_are_not_frontal(view):
    assert not is_frontal(view)
