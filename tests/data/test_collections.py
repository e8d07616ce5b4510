"""Which public collections share images."""

from __future__ import annotations

import pytest

from cxrbench.data.collections import collections_of, sharing
from cxrbench.plugin import Images, Record


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("nih", "rsna"), ("RSNA", "covid-radiography"), ("rsna", "covidx"), ("kermany", "covid-radiography")),
        *(("shenzhen", "tbx11k"), ("padchest", "covid-radiography"), ("chexpert", "CheXpert"), ("ward-7", "ward-7")),
    ],
)
def test_collections_with_common_images(one, other):
    assert list(sharing([one], [other])) == [(one, other)]
    assert list(sharing([other], [one])) == [(other, one)]


@pytest.mark.parametrize(
    ("one", "other"),
    [("nih", "chexpert"), ("kermany", "rsna"), ("shenzhen", "montgomery"), ("covidx", "kermany"), ("ward-7", "ward-8")],
)
def test_collections_without_common_images(one, other):
    assert list(sharing([one], [other])) == []


def test_every_pair_is_named():
    found = sharing(["nih", "kermany"], ["covid-radiography", "rsna"])
    assert list(found) == [("nih", "covid-radiography"), ("nih", "rsna"), ("kermany", "covid-radiography")]


def test_the_collections_are_those_of_dataset_and_records():
    records = [Record(key=str(number), label=0, patient="p", source=source) for number, source in enumerate(("RSNA", None, ""))]
    images = Images(name="x", records=records, read=str.encode, collection="Kermany")
    assert collections_of(images) == ("kermany", "rsna")
    assert collections_of(Images(name="x", records=records[1:], read=str.encode)) == ()
