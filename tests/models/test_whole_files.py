"""Weights files that were cut off are named with what to do, before a library reads them."""

from __future__ import annotations

import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxrbench.models.whole_files import problem_of_size


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return real HDF5 files of every version of the superblock, and a zip archive, by name."""
    folder = tmp_path_factory.mktemp("whole")
    for name, version in (("v0.h5", "earliest"), ("v2.h5", "v108"), ("v3.h5", "latest")):
        with h5py.File(folder / name, "w", libver=version) as file:
            file["weights"] = np.arange(3000.0)
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}" * 900)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def problem(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return problem_of_size(path)


@pytest.mark.parametrize("name", ["v0.h5", "v2.h5", "v3.h5", "model.keras"])
def test_whole_files_have_no_problem(whole, tmp_path, name):
    assert problem(tmp_path, name, whole[name]) == ""


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(["v0.h5", "v2.h5", "v3.h5"]), share=st.floats(0, 1))
def test_hdf5_is_judged_as_the_library_does(whole, tmp_path, name, share):
    length = max(9, int(share * len(whole[name])))
    found = problem(tmp_path, name, whole[name][:length])
    try:
        with h5py.File(tmp_path / name) as file:
            readable = file["weights"].shape == (3000,)
    except OSError:
        readable = False
    assert bool(found) == (not readable)


def test_the_bytes_that_are_there_and_should_be_are_named(whole, tmp_path):
    size = len(whole["v0.h5"])
    assert problem(tmp_path, "w.h5", whole["v0.h5"][:10_000]) == f"is cut off: it has 10,000 of {size:,} bytes"


@pytest.mark.parametrize("name", ["model.keras", "model.npz"])
def test_an_archive_that_is_cut_off_is_found(whole, tmp_path, name):
    assert problem(tmp_path, name, whole["model.keras"][:-30]).startswith("is cut off")


@pytest.mark.parametrize("name", ["w.h5", "model.keras", "w.safetensors"])
def test_an_empty_file_is_found(tmp_path, name):
    assert problem(tmp_path, name, b"") == "is empty"


@pytest.mark.parametrize("content", [b"trained", b"\x89HDF\r\n\x1a\n\x09unknown", b"PK"])
def test_files_of_unknown_formats_are_not_judged(tmp_path, content):
    assert problem(tmp_path, "weights.bin", content) == ""
