"""Tables of full size, written to the published marginals, give the published counts."""

from __future__ import annotations

import importlib.util
import resource
from collections import Counter
from pathlib import Path

import pytest

from cxrbench.data.source import find_dataset, read_images

MOST_MEGABYTES = 1536
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def full(tmp_path_factory, host):
    """Return a function that reads the tables of a collection, which are written once, within its memory."""
    spec = importlib.util.spec_from_file_location(
        "published_tables", Path(__file__).parents[3] / "benchmarks" / "published_tables.py"
    )
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    folders = {}

    def read(name, **options):
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(name)
            tables.TABLES[name](folders[name])
        given = "".join(f",{option}={value}" for option, value in options.items())
        images = read_images(find_dataset(f"{name}:source='{folders[name]}'{given}", host), None)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 < MOST_MEGABYTES
        return images

    return read


def labels(images):
    counts = Counter(record.label for record in images.records)
    return counts[0], counts[1]


def test_nih_has_its_published_counts(full):
    images = full("nih", negatives="all")
    assert labels(images) == (112_120 - 1_431, 1_431)
    assert len({record.patient for record in images.records}) == 30_805
    assert Counter(record.split for record in images.records) == {"train": 86_524, "test": 25_596}
    assert Counter(record.view for record in images.records if record.label) == {"AP": 801, "PA": 630}
    assert labels(full("nih")) == (60_361, 1_431)
    assert labels(full("nih", finding="Infiltration", negatives="all"))[1] == 19_894
    assert labels(full("nih", finding="Consolidation"))[1] == 4_667


def test_chexpert_has_its_published_counts(full):
    images = full("chexpert", views="all", negatives="all")
    assert labels(images) == (2_799 + 195_806, 6_039)
    assert "left out 18,770 images where Pneumonia is uncertain (label=positive-only)" in images.warnings
    assert len({record.patient for record in images.records}) > 60_000
    assert labels(full("chexpert", views="all", label="uncertain-as-positive"))[1] == 6_039 + 18_770
    assert labels(full("chexpert", views="all", label="uncertain-as-negative")) == (22_381 + 18_770, 6_039)
    frontal = full("chexpert", label="uncertain-as-positive", negatives="all")
    assert Counter(record.view for record in frontal.records) == {"AP": 161_590, "PA": 29_420, "frontal": 17}
    assert (
        len(
            {record.patient for record in full("chexpert", label="uncertain-as-positive", negatives="all", views="all").records}
        )
        == 64_540
    )


def test_mimic_has_its_published_counts(full):
    images = full("mimic-cxr-jpg", views="all", label="uncertain-as-positive", negatives="all")
    assert len(images.records) == 377_110
    assert Counter(record.split for record in images.records) == {"train": 368_960, "val": 2_991, "test": 5_159}


def test_padchest_and_rsna_have_their_published_counts(full):
    images = full("padchest", views="all", negatives="all")
    assert labels(images) == (160_861 - 7_953 - 14_207, 7_953)
    assert images.warnings == ("left out 14,207 images labelled unchanged",)
    images = full("rsna")
    assert labels(images) == (8_851, 6_012)
    assert labels(full("rsna", negatives="all")) == (8_851 + 11_821, 6_012)
    assert len({record.patient for record in full("rsna", negatives="all").records}) == 11_410
