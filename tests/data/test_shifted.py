"""Images under a shift: rounded, written once by workers, independent of workers and batches, failing alone."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.data.batches import BATCH
from cxrbench.data.decoding.pixels import Pixels
from cxrbench.data.shifted import Shifted, Shifting, shift_images, shift_missing, time_shifting
from cxrbench.errors import DiskFull, PluginError, WorkersUnavailable
from cxrbench.execution.executor import InProcessExecutor, open_executor
from cxrbench.execution.failures import NotFinite, OutOfMemory
from cxrbench.execution.progress import Progress
from cxrbench.plugin import Shift
from cxrbench.plugin.host import load_host

SHARD_ROWS = BATCH + 8
ROWS = 2 * SHARD_ROWS + 3
PLUGIN = """
import numpy as np

from cxrbench.plugin import Shift, hookimpl

NAMES = ("veil", "grain", "far", "narrow", "blank", "late", "broken")


@hookimpl
def register_shifts():
    return [Shift(name=name, factory=f"{__name__}:{name}", unit="grey levels", strengths=(1.0, 2.0, 3.0)) for name in NAMES]


def veil(*, input_shape, strength, seed):
    return lambda images: images + np.float32(0.3 * strength)


def grain(*, input_shape, strength, seed):
    generator = np.random.default_rng(seed)

    def add(images):
        assert images.shape == (32, *input_shape)
        assert images.dtype == np.float32
        return images + generator.normal(0, strength, images.shape)

    return add


def far(*, input_shape, strength, seed):
    return lambda images: images + 300 * (images - 127.5)


def narrow(*, input_shape, strength, seed):
    return lambda images: images[:, 1:]


def blank(*, input_shape, strength, seed):
    return lambda images: images * np.nan


def late(*, input_shape, strength, seed):
    batches = []

    def fail_at_the_second(images):
        batches.append(len(images))
        if len(batches) > 1:
            raise ValueError("the second batch failed")
        return images

    return fail_at_the_second


def broken(*, input_shape, strength, seed):
    raise RuntimeError("the shift broke")
"""


@pytest.fixture(scope="module")
def shift_of(tmp_path_factory):
    """Return a function that gives a shift of a one-file plugin."""
    file = tmp_path_factory.mktemp("plugin") / "shifts.py"
    file.write_text(PLUGIN, encoding="utf-8")
    host = load_host([file])

    def make(name, strength=2.0):
        return Shifted(part=bind(parse_component(name), host.find(Shift, name)), strength=strength)

    return make


@pytest.fixture
def original():
    """Return decoded images of three shards."""
    pixels = Pixels(rows=ROWS, size=8, digest="drawn", shard_rows=SHARD_ROWS)
    images = np.random.default_rng(0).integers(0, 256, (ROWS, 8, 8), dtype=np.uint8)
    for shard in pixels.array.missing():
        start, stop = pixels.array.bounds(shard)
        pixels.array.write(shard, [images[start:stop]])
    return pixels


@pytest.fixture
def shifting_of(shift_of, original):
    """Return a function that gives a shift of these images."""
    return lambda name, strength=2.0, **given: Shifting(
        **{"original": original, "shift": shift_of(name, strength), "seed": 0, **given}
    )


class Recording(InProcessExecutor):
    """Records the calls, and answers with an error if there is one."""

    def __init__(self, *errors):
        super().__init__()
        self.submitted, self.errors = [], list(errors)

    def submit(self, function, /, *arguments, **keywords):
        self.submitted.append(arguments)
        if self.errors:
            return super().submit(fail, self.errors.pop(0))
        return super().submit(function, *arguments, **keywords)


class Warnings(Progress):
    """Records warnings and steps."""

    def __init__(self):
        self.warned, self.steps = [], []

    def warn(self, line):
        self.warned.append(line)

    def begin(self, stage, total):
        self.steps.append((stage, total))

    def advance(self, stage, steps=1):
        self.steps.append((stage, steps))


def fail(error):
    raise error


def shift(*shiftings, executor=None, progress=None):
    """Shift images in this process, and return why shifts failed."""
    return shift_missing(shiftings, executor or InProcessExecutor(), progress or Progress(), "shifted images").wait()


def images_of(pixels):
    return pixels.array.read(0, pixels.rows)


def test_shifted_images_are_rounded_to_grey_levels(shifting_of, original):
    veil = shifting_of("veil")
    assert shift(veil) == {}
    expected = np.rint(np.clip(images_of(original) + 0.6, 0, 255))
    np.testing.assert_array_equal(images_of(veil.pixels), expected)
    assert images_of(veil.pixels).dtype == np.uint8


def test_shifted_pixels_stay_in_0_to_255(shifting_of, original):
    far = shifting_of("far")
    assert shift(far) == {}
    np.testing.assert_array_equal(images_of(far.pixels), np.where(images_of(original) > 127, 255, 0))


def test_shards_of_a_shift_draw_other_random_numbers(shifting_of, original):
    grain = shifting_of("grain", 20.0)
    assert shift(grain) == {}
    changes = images_of(grain.pixels).astype(int) - images_of(original)
    assert 10 < changes.std() < 25
    assert not np.array_equal(changes[:SHARD_ROWS], changes[SHARD_ROWS : 2 * SHARD_ROWS])


def test_worker_processes_write_the_bytes_of_this_process(shifting_of, cache):
    grain, veil = shifting_of("grain"), shifting_of("veil")
    assert shift(grain, veil) == {}
    here = [np.array(images_of(one.pixels)) for one in (grain, veil)]
    for one in (grain, veil):
        for mark in one.pixels.array.folder.glob("*.done"):
            mark.unlink()
        (one.pixels.array.folder / "rows.raw").unlink()
    with open_executor(2, warm_up=os.getpid) as executor:
        assert shift(grain, veil, executor=executor) == {}
    for one, written in zip((grain, veil), here, strict=True):
        np.testing.assert_array_equal(images_of(one.pixels), written)


def test_images_of_rows_are_shifted_without_a_cache(shifting_of, original):
    grain = shifting_of("grain")
    assert shift(grain) == {}
    start, stop = original.array.bounds(1)
    again = np.concatenate(list(shift_images(pickle.loads(pickle.dumps(grain)), original.array.read(start, stop), 1)))
    np.testing.assert_array_equal(again, images_of(grain.pixels)[start:stop])


def test_only_missing_shards_are_shifted(shifting_of):
    grain = shifting_of("grain")
    shift(grain)
    written = np.array(images_of(grain.pixels))
    (grain.pixels.array.folder / "00001.done").unlink()
    executor = Recording()
    assert shift(grain, executor=executor) == {}
    assert executor.submitted == [(grain, 1)]
    np.testing.assert_array_equal(images_of(grain.pixels), written)
    assert shift(grain, executor=executor) == {}
    assert len(executor.submitted) == 1


def test_a_damaged_shard_is_shifted_again_with_a_warning(shifting_of):
    veil, progress = shifting_of("veil"), Warnings()
    shift(veil)
    written = np.array(images_of(veil.pixels))
    damaged = np.memmap(veil.pixels.array.folder / "rows.raw", dtype=np.uint8, mode="r+")
    damaged[-1] ^= 1
    damaged.flush()
    assert shift(veil, progress=progress) == {}
    assert progress.warned == ["shifted images, veil@2: 1 of 3 parts were damaged on disk and are shifted again"]
    np.testing.assert_array_equal(images_of(veil.pixels), written)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("narrow", PluginError, r"shift narrow@2 changed shape \(32, 8, 8, 1\) to \(32, 7, 8, 1\)"),
        ("blank", NotFinite, "shift blank@2 returned pixels that are not finite"),
        ("late", ValueError, "the second batch failed"),
        ("broken", RuntimeError, "the shift broke"),
    ],
)
def test_a_shift_that_fails_fails_alone_and_only_once(shifting_of, name, error, words):
    wrong, good, executor, progress = shifting_of(name), shifting_of("veil"), Recording(), Warnings()
    failed = shift(wrong, good, executor=executor, progress=progress)
    with pytest.raises(error, match=words):
        raise failed[wrong.shift]
    assert list(failed) == [wrong.shift]
    assert wrong.pixels.array.missing() == [0, 1, 2]
    assert good.pixels.array.missing() == []
    assert executor.submitted == [(wrong, 0), (good, 0), (good, 1), (good, 2)]
    assert progress.steps == [("shifted images", 6), *[("shifted images", 1)] * 6]


@pytest.mark.parametrize("error", [DiskFull("no room"), WorkersUnavailable("no workers")])
def test_what_is_not_the_fault_of_a_shift_is_raised(shifting_of, error):
    with pytest.raises(type(error), match="no "):
        shift(shifting_of("veil"), executor=Recording(error))


def test_a_shift_that_ran_out_of_memory_is_tried_again(shifting_of):
    grain, executor = shifting_of("grain"), Recording(OutOfMemory("full"), OutOfMemory("full"))
    assert shift(grain, executor=executor) == {}
    assert executor.submitted == [(grain, 0)] * 3 + [(grain, 1), (grain, 2)]
    written = np.array(images_of(grain.pixels))
    np.testing.assert_array_equal(
        written[:SHARD_ROWS], np.concatenate(list(shift_images(grain, images_of(grain.original)[:SHARD_ROWS])))
    )


def test_the_digest_changes_with_all_that_pixels_depend_on(shifting_of, original):
    digests = [
        shifting_of("grain").pixels.digest,
        shifting_of("veil").pixels.digest,
        shifting_of("grain", 3.0).pixels.digest,
        shifting_of("grain", seed=1).pixels.digest,
        shifting_of("grain", original=replace(original, digest="other images")).pixels.digest,
        shifting_of("grain", original=replace(original, shard_rows=SHARD_ROWS + 1)).pixels.digest,
        original.digest,
    ]
    assert len(set(digests)) == len(digests)
    assert shifting_of("grain").pixels.digest == digests[0]


def test_the_time_of_an_image_is_measured(shifting_of):
    assert 0 < time_shifting(shifting_of("grain")) < 1
