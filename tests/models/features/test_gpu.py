"""A GPU gets more images at once, and nothing else changes; only networks go there. The GPU is made up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.data.batches import BATCH, prefetched
from cxrbench.execution.executor import InProcessExecutor
from cxrbench.execution.progress import Progress
from cxrbench.models.features.extraction import devices_of, extract, extract_shard, images_at_once, smallest_batch
from cxrbench.models.features.frozen_backbone import FrozenBackbone
from cxrbench.models.features.schedule import extract_missing

ROWS = 5 * BATCH + 3


@pytest.fixture
def on_gpu(monkeypatch):
    """Make backbones believe that they compute on a GPU."""
    monkeypatch.setattr(FrozenBackbone, "device", property(lambda backbone: "gpu"))


@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize(("batch", "at_once"), [(32, 128), (16, 64), (8, 32)])
def test_more_images_at_once_give_equal_features(extraction_of, pixels_with, monkeypatch, batch, at_once):
    extraction = extraction_of(augmentation="noise", pixels=pixels_with(ROWS, shard_rows=ROWS))
    expected, sizes = extract(extraction, extraction.pixels.array.read(0, ROWS)), []
    features = FrozenBackbone.features
    monkeypatch.setattr(FrozenBackbone, "features", lambda one, images: sizes.append(len(images)) or features(one, images))
    extract_shard(extraction, extraction.features, 0, batch)
    assert np.array_equal(extraction.features.read(0, ROWS), expected)
    assert set(sizes) == {at_once}
    assert sum(sizes) >= ROWS
    assert extraction.features.notes() == {0: {"batch": at_once, "device": "gpu"}}
    assert (devices_of([extraction.features]), smallest_batch([extraction.features])) == (("gpu",), at_once)


@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize(("size", "batches"), [(1024, 1), (512, 1), (300, 4), (224, 8), (64, 16)])
def test_large_images_take_no_more_memory(extraction_of, monkeypatch, size, batches):
    extraction = extraction_of()
    monkeypatch.setattr(type(extraction.pixels), "size", size)
    assert images_at_once(extraction) == batches * BATCH


def test_a_shard_of_a_cpu_has_the_same_note_as_ever(extraction_of):
    extraction = extraction_of()
    extract_shard(extraction, extraction.features, 0, 16)
    assert extraction.features.notes() == {0: 16}
    assert (devices_of([extraction.features]), smallest_batch([extraction.features])) == (("cpu",), 16)


@given(st.lists(st.integers()), st.integers(1, 5))
def test_batches_that_are_read_ahead_are_the_same(batches, ahead):
    assert list(prefetched(batches, ahead)) == batches


def test_an_error_of_reading_comes_after_what_was_read():
    def batches():
        yield 1
        raise OSError("the disk is gone")

    reading = prefetched(batches(), 3)
    assert next(reading) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(reading)


class Counting(InProcessExecutor):
    """Records the backbone of each shard."""

    def __init__(self, networks=None):
        super().__init__()
        self.networks, self.shards = networks, []

    def for_networks(self):
        return self.networks or self

    def submit(self, function, /, *arguments, **keywords):
        if len(arguments) == 4:
            self.shards.append(str(arguments[0].backbone.component))
        return super().submit(function, *arguments, **keywords)


def test_only_networks_are_extracted_on_gpus(extraction_of, pixels_with, monkeypatch):
    networks = Counting()
    executor, pixels = Counting(networks), pixels_with(2 * BATCH, shard_rows=BATCH)
    kinds = {"corner": True, "trained": False}  # and the third one cannot be built
    monkeypatch.setattr(FrozenBackbone, "is_network", property(lambda one: kinds[one.part.component.name]))
    monkeypatch.setattr(FrozenBackbone, "device", property(lambda one: "cpu"))
    wanted = [extraction_of(backbone, pixels=pixels) for backbone in ("corner", "trained", "nan")]
    extract_missing(wanted, range(2), executor, Progress())
    assert networks.shards == ["corner"] * 2
    assert set(executor.shards) == {"trained", "nan"}


def test_without_missing_shards_no_gpu_is_asked_for(extraction_of):
    class Unplaced(InProcessExecutor):
        def for_networks(self):
            raise AssertionError

    extraction = extraction_of()
    extract_shard(extraction, extraction.features, 0)
    assert extract_missing([extraction], range(1), Unplaced(), Progress()).wait(extraction).problem == ""
