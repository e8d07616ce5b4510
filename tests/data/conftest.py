"""Fixtures of the data tests: a cache of their own, encoded images, handmade datasets."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from cxrbench.data.dataset import LoadedDataset, catalogue_images, load_dataset
from cxrbench.data.decoding.decode import decode
from cxrbench.data.decoding.pixels import Decoding, Pixels
from cxrbench.errors import DataError
from cxrbench.plugin import Images, Record


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep what is decoded in this test's own folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CXRBENCH_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def reason_for():
    """Return why a source cannot be decoded."""

    def reason(source):
        with pytest.raises(DataError) as caught:
            decode(source, size=8, resize="stretch")
        return str(caught.value)

    return reason


@pytest.fixture
def decoding():
    """Decode to 8 pixels in one thread."""
    return Decoding(size=8, resize="stretch", threads=1)


@pytest.fixture(scope="session")
def load():
    """Catalogue and decode all images and load the data set."""

    def load_all(images, decoding, *on_progress) -> LoadedDataset:
        catalogue = catalogue_images(images, decoding)
        deque(catalogue.decode(*on_progress), maxlen=0)
        return load_dataset(catalogue)

    return load_all


@pytest.fixture
def images_of():
    """Make what a dataset plugin returns from a dictionary of keys to files, bytes, pixels or errors."""

    def make(contents, label=lambda row: row % 2, patient=lambda row: f"p{row}") -> Images:
        def read(key):
            if isinstance(contents[key], Exception):
                raise contents[key]
            return contents[key]

        records = [Record(key=key, label=label(row), patient=patient(row)) for row, key in enumerate(contents)]
        return Images(name="handmade", records=records, read=read, warnings=("a warning of the plugin",))

    return make


@pytest.fixture
def png_files(encode):
    """Make the given number of different PNG files, by key."""

    def make(count):
        generator = np.random.default_rng(0)
        return {f"{row}.png": encode(generator.integers(0, 256, (10, 12), dtype=np.uint8)) for row in range(count)}

    return make


@pytest.fixture(scope="session")
def dataset_of():
    """Make a loaded data set from (label, patient, part) of each image; nobody looks at its pixels."""

    def make(rows, skipped=()) -> LoadedDataset:
        records = tuple(
            Record(key=f"{number:05d}", label=label, patient=patient, split=part)
            for number, (label, patient, part) in enumerate(rows)
        )
        return LoadedDataset(
            name="handmade",
            records=records,
            rows=np.arange(len(records)),
            pixels=Pixels(rows=len(records), size=8, digest="of none"),
            fingerprint="",
            skipped=tuple(skipped),
            warnings=("a warning of the plugin",),
        )

    return make
