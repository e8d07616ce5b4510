from __future__ import annotations

import os
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from cxrbench.data.batches import BATCH
from cxrbench.data.dataset import catalogue_images
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.errors import DiskFull, WorkersUnavailable
from cxrbench.execution.executor import InProcessExecutor, open_executor
from cxrbench.execution.failures import WorkerLost, failure_kind, failure_log
from cxrbench.execution.progress import Progress
from cxrbench.models.features.extraction import smallest_batch
from cxrbench.models.features.schedule import Extracted, extract_missing
from cxrbench.plugin import Images, Record

FEW = BATCH + 8
ROWS = 4 * FEW + 3


@pytest.fixture
def pixels_with(pixels_with):
    """Put random pixels on disk, few rows to a shard."""
    return partial(pixels_with, shard_rows=FEW)


class Recording(InProcessExecutor):
    """Records the shards and batch sizes that were submitted."""

    def __init__(self, on_submit=lambda shard: None):
        super().__init__()
        self.submitted = []
        self.batches = []
        self.on_submit = on_submit

    def submit(self, function, /, *arguments, **keywords):
        extraction, _, shard, batch = arguments
        self.batches.append(batch)
        self.submitted.append((extraction, shard))
        self.on_submit(shard)
        return super().submit(function, *arguments, **keywords)


class Counts(Progress):
    """Records progress and warnings."""

    def __init__(self):
        self.steps, self.warned = [], []

    def warn(self, line):
        self.warned.append(line)

    def begin(self, stage, total):
        self.steps.append((stage, total))

    def advance(self, stage, steps=1):
        self.steps.append((stage, steps))


def catalogue_of(rows):
    """Return a catalogue whose images are not decoded yet."""
    images = np.random.default_rng(0).integers(0, 256, (rows, 4, 4), dtype=np.uint8)
    records = [Record(key=str(row), label=row % 2, patient=str(row)) for row in range(rows)]
    source = Images(name="images", records=records, read=lambda key: images[int(key)])
    return catalogue_images(source, Decoding(size=4, resize="stretch", threads=1, shard_rows=FEW))


def content(extraction):
    return (extraction.features.folder / "rows.raw").read_bytes()


def lose(extraction, shard):
    (mark,) = extraction.features.folder.glob(f"{shard:05d}.*")
    mark.unlink()
    damage(extraction, shard)


def damage(extraction, shard):
    start, stop = extraction.features.bounds(shard)
    features = np.memmap(
        extraction.features.folder / "rows.raw", dtype=np.float32, mode="r+", shape=(extraction.pixels.rows, 15)
    )
    features[start:stop] = -1
    features.flush()


def test_a_shard_is_submitted_before_later_images_are_decoded(extraction_of):
    catalogue = catalogue_of(ROWS)
    images, missing = catalogue.pixels.array, []
    executor = Recording(lambda shard: missing.append((shard, images.missing())))
    one, other = (extraction_of(backbone, pixels=catalogue.pixels) for backbone in ("corner", "random"))
    pending = extract_missing([one, other], catalogue.decode(), executor, Progress())
    while_decoding = [(shard, list(range(shard + 1, 5))) for shard in range(5)]
    of_the_other_backbone = [(shard, []) for shard in range(5)]
    assert missing == while_decoding + of_the_other_backbone
    assert executor.submitted == [(extraction, shard) for extraction in (one, other) for shard in range(5)]
    for extraction in (one, other):
        assert pending.wait(extraction).problem == ""
        assert extraction.features.missing() == []


def test_features_do_not_depend_on_when_images_are_decoded(extraction_of, extract):
    catalogue = catalogue_of(ROWS)
    extraction = extraction_of(augmentation="noise", pixels=catalogue.pixels)
    extract_missing([extraction], catalogue.decode(), InProcessExecutor(), Progress())
    found = content(extraction)
    assert extract(extraction).tobytes() == found


def test_only_missing_shards_are_extracted_with_equal_bytes(extraction_of, pixels_with):
    extraction = extraction_of(augmentation="noise", pixels=pixels_with(ROWS))
    assert extract_missing([extraction], range(5), InProcessExecutor(), Progress()).wait(extraction).seconds > 0
    before = content(extraction)
    lose(extraction, 1)
    lose(extraction, 4)
    assert content(extraction) != before
    executor = Recording()
    outcome = extract_missing([extraction], range(5), executor, Progress()).wait(extraction)
    assert executor.submitted == [(extraction, 1), (extraction, 4)]
    assert outcome.problem == ""
    assert outcome.seconds > 0
    assert extraction.features.missing() == []
    assert content(extraction) == before


def test_a_shard_that_is_on_disk_is_left_as_it_is(extraction_of, pixels_with):
    extraction = extraction_of(pixels=pixels_with(ROWS))
    extract_missing([extraction], range(5), InProcessExecutor(), Progress())
    executor = Recording()
    pending = extract_missing([extraction], range(5), executor, Progress())
    assert executor.submitted == []
    assert pending.wait(extraction) == Extracted()


def test_a_damaged_shard_is_extracted_again_with_a_warning(extraction_of, pixels_with):
    extraction = extraction_of(pixels=pixels_with(ROWS))
    extract_missing([extraction], range(5), InProcessExecutor(), Progress())
    written = content(extraction)
    damage(extraction, 2)
    executor, progress = Recording(), Counts()
    extract_missing([extraction], range(5), executor, progress)
    assert executor.submitted == [(extraction, 2)]
    assert progress.warned == [
        f"features, {extraction.backbone.component}: 1 of 5 parts were damaged on disk and are extracted again"
    ]
    assert content(extraction) == written


@pytest.mark.parametrize("error", [DiskFull, WorkersUnavailable])
def test_what_is_not_the_fault_of_the_backbone_is_raised(extraction_of, pixels_with, error):
    extraction = extraction_of(pixels=pixels_with(ROWS))

    def no_room(shard):
        raise error(f"no room for {shard}")

    class Full(InProcessExecutor):
        def submit(self, function, /, *arguments, **keywords):
            return super().submit(no_room, arguments[2])

    pending = extract_missing([extraction], range(5), Full(), Progress())
    with pytest.raises(error, match="no room for 0"):
        pending.wait(extraction)


def test_an_extraction_that_was_not_submitted_takes_no_time(extraction_of):
    one, other = extraction_of("corner"), extraction_of("random")
    pending = extract_missing([one], range(5), InProcessExecutor(), Progress())
    assert pending.wait(other) == Extracted()
    assert other.features.missing() != []


def test_what_two_recipes_need_is_extracted_once(extraction_of, pixels_with):
    pixels = pixels_with(2 * FEW)
    clean, noise = extraction_of(pixels=pixels), extraction_of(augmentation="noise", pixels=pixels)
    executor = Recording()
    extract_missing([clean, noise, replace(clean)], range(2), executor, Progress())
    assert executor.submitted == [(clean, 0), (noise, 0), (clean, 1), (noise, 1)]


def test_progress_counts_the_shards_that_are_missing(extraction_of, pixels_with):
    pixels = pixels_with(2 * FEW)
    extractions, progress = [extraction_of(backbone, pixels=pixels) for backbone in ("corner", "random", "nan")], Counts()
    extract_missing(extractions[:1], range(1), InProcessExecutor(), Progress())
    extract_missing(extractions, range(2), InProcessExecutor(), progress)
    assert progress.steps == [("features", 5), *[("features", 1)] * 5]


def test_a_failed_shard_fails_its_own_extraction_only(extraction_of, pixels_with):
    pixels = pixels_with(2 * FEW)
    good, broken = extraction_of("corner", pixels=pixels), extraction_of("nan", pixels=pixels)
    pending = extract_missing([broken, good], range(2), InProcessExecutor(), Progress())
    assert pending.wait(broken).problem.startswith("NotFinite: backbone nan returned features that are not finite")
    assert failure_kind(pending.wait(broken).error) == "nan"
    assert (pending.wait(good).error, pending.wait(good).problem) == (None, "")
    assert broken.features.missing() == [0, 1]
    assert good.features.missing() == []


def test_failed_decoding_ends_extraction_with_its_shards_kept(extraction_of, pixels_with):
    def decoded():
        yield 0
        yield 1
        raise OSError("no space left on device")

    extraction = extraction_of(pixels=pixels_with(ROWS))
    with pytest.raises(OSError, match="no space left"):
        extract_missing([extraction], decoded(), InProcessExecutor(), Progress())
    assert extraction.features.missing() == [2, 3, 4]


def test_worker_processes_write_the_same_bytes_as_this_process(extraction_of):
    catalogue = catalogue_of(2 * FEW + 3)
    extractions = [extraction_of(augmentation=name, pixels=catalogue.pixels) for name in (None, "noise")]
    with open_executor(2, warm_up=os.getpid) as executor:
        pending = extract_missing(extractions, catalogue.decode(), executor, Progress())
        assert [pending.wait(one).problem for one in extractions] == ["", ""]
    by_workers = [content(one) for one in extractions]
    for one in extractions:
        for shard in range(3):
            lose(one, shard)
    extract_missing(extractions, catalogue.decode(), InProcessExecutor(), Progress())
    assert [content(one) for one in extractions] == by_workers


def test_shards_that_depend_on_a_failure_are_not_submitted(extraction_of, pixels_with):
    pixels, executor, progress = pixels_with(3 * FEW), Recording(), Counts()
    clean, drawn = extraction_of("nan", pixels=pixels), extraction_of("nan", augmentation="noise", pixels=pixels)
    pending = extract_missing([clean, drawn], range(3), executor, progress)
    assert executor.submitted == [(clean, 0)]
    assert "not finite" in pending.wait(clean).problem
    assert pending.wait(drawn) == pending.wait(clean)
    assert progress.steps == [("features", 6), *[("features", 1)] * 6]


def test_a_failed_augmentation_does_not_affect_other_views(extraction_of, pixels_with):
    pixels, executor = pixels_with(2 * FEW), Recording()
    clean, broken, noise = (extraction_of(augmentation=name, pixels=pixels) for name in (None, "crop", "noise"))
    second = replace(broken, view=2)
    pending = extract_missing([clean, broken, second, noise], range(2), executor, Progress())
    assert (pending.wait(clean).problem, pending.wait(noise).problem) == ("", "")
    assert "must keep the shape" in pending.wait(broken).problem
    assert pending.wait(second) == pending.wait(broken)
    assert [one for one, _ in executor.submitted].count(broken) == 1
    assert second not in [one for one, _ in executor.submitted]


def test_queued_calls_are_cancelled_when_their_backbone_fails(extraction_of, pixels_with):
    pixels, futures = pixels_with(3 * FEW), []

    class Busy(InProcessExecutor):
        def submit(self, function, /, *arguments, **keywords):
            futures.append(Future())
            return futures[-1]

    one, other = (extraction_of(backbone, pixels=pixels) for backbone in ("corner", "random"))
    pending = extract_missing([one, other], range(3), Busy(), Progress())
    futures[0].set_exception(WorkerLost("took longer than 1 s"))
    assert [future.cancelled() for future in futures] == [False, True, True, False, False, False]
    assert pending.wait(one).problem == "took longer than 1 s"
    for future in futures[3:]:
        future.set_result(1.0)
    assert pending.wait(other) == Extracted(seconds=3.0)


@pytest.fixture(scope="module")
def hungry(parts_of):
    """Make components of a plugin that runs out of memory when batches are too large."""
    return parts_of(Path(__file__).parents[2] / "samples" / "plugins" / "hungry.py")


@pytest.mark.parametrize(("fits", "batches"), [(32, [32]), (16, [32, 16]), (8, [32, 16, 8])])
def test_a_shard_is_retried_in_smaller_batches_on_out_of_memory(extraction_of, hungry, pixels_with, fits, batches):
    extraction, executor = extraction_of(f"hungry:fits={fits}", of=hungry, pixels=pixels_with(2 * FEW)), Recording()
    outcome = extract_missing([extraction], range(2), executor, Progress()).wait(extraction)
    assert (outcome.problem, smallest_batch([extraction.features])) == ("", batches[-1])
    assert executor.batches == batches * 2
    assert extraction.features.missing() == []


def test_a_backbone_fails_after_three_attempts_without_memory(extraction_of, hungry, pixels_with):
    extraction, executor = extraction_of("hungry:fits=0", of=hungry, pixels=pixels_with(2 * FEW)), Recording()
    outcome = extract_missing([extraction], range(2), executor, Progress()).wait(extraction)
    assert (failure_kind(outcome.error), outcome.problem) == ("oom", "MemoryError: 8 images are too many")
    assert executor.batches == [32, 16, 8]
    assert extraction.features.missing() == [0, 1]


def test_a_worker_process_retries_on_out_of_memory_too(extraction_of, hungry, pixels_with):
    some, none = (extraction_of(f"hungry:fits={fits}", of=hungry, pixels=pixels_with(FEW)) for fits in (16, 0))
    with open_executor(1, warm_up=os.getpid) as executor:
        pending = extract_missing([some, none], range(1), executor, Progress())
        assert pending.wait(some).problem == ""
        assert failure_kind(pending.wait(none).error) == "oom"
    assert smallest_batch([some.features]) == 16
    assert failure_log(pending.wait(none).error)[-1] == "MemoryError: 8 images are too many"
