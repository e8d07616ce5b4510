from __future__ import annotations

import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxrbench.errors import CxrbenchError
from cxrbench.storage.sharded_array import MARK_VERSION, SHARD_ROWS, ShardedArray

FEW = 5
ROWS = 3 * FEW + 2

WRITER = """
import random
import sys
from pathlib import Path
import numpy as np
from cxrbench.storage.sharded_array import ShardedArray

values = np.load(sys.argv[1])
array = ShardedArray(folder=Path(sys.argv[2]), rows=len(values), dtype=values.dtype.name, shard_rows=64)
order = list(range(array.shards)) * 4
random.Random(int(sys.argv[3])).shuffle(order)
print("ready", flush=True)
sys.stdin.readline()
for shard in order:
    start, stop = array.bounds(shard)
    array.write(shard, np.array_split(values[start:stop], 1 + shard % 7))
print("done", flush=True)
"""

DYING = """
import sys
import time
from pathlib import Path
import numpy as np
from cxrbench.storage.sharded_array import ShardedArray

array = ShardedArray(folder=Path(sys.argv[1]), rows=600, dtype="float32")


def blocks():
    yield np.ones((300, 3000), dtype=np.float32)
    print("half", flush=True)
    time.sleep(600)


array.write(0, blocks())
"""


@pytest.fixture
def fresh(tmp_path):
    """Return a function that makes arrays whose folders do not exist yet."""
    names = itertools.count()

    def make(rows=ROWS, dtype="float32", shard_rows=FEW):
        return ShardedArray(folder=tmp_path / f"array{next(names)}", rows=rows, dtype=dtype, shard_rows=shard_rows)

    return make


def rows_from(start, stop):
    return np.stack([np.arange(start, stop), np.arange(start, stop) * 3 + 1], axis=1).astype(np.float32)


def fill(array, values=None, shards=None, block=FEW):
    """Write the given shards, or all missing ones, in blocks of `block` rows."""
    values = rows_from(0, array.rows) if values is None else values
    for shard in array.missing() if shards is None else shards:
        start, stop = array.bounds(shard)
        array.write(shard, [values[first : min(first + block, stop)] for first in range(start, stop, block)])
    return array


def content(array):
    return (array.folder / "rows.raw").read_bytes()


def mark_path(array, shard):
    (mark,) = array.folder.glob(f"{shard:05d}.*")
    return mark


def raising_after(blocks, error):
    yield from blocks
    raise error


@pytest.mark.parametrize("rows", [1, SHARD_ROWS - 1, SHARD_ROWS, SHARD_ROWS + 1, 2 * SHARD_ROWS, 5 * SHARD_ROWS + 7])
def test_shards_cover_every_row_once(fresh, rows):
    array = fresh(rows, shard_rows=SHARD_ROWS)
    bounds = [array.bounds(shard) for shard in array.missing()]
    assert len(bounds) == array.shards == -(-rows // SHARD_ROWS)
    assert [row for start, stop in bounds for row in range(start, stop)] == list(range(rows))
    assert all(stop - start == SHARD_ROWS for start, stop in bounds[:-1])


def test_a_new_array_has_no_files(fresh):
    array = fresh(2 * FEW + 1)
    assert array.missing() == [0, 1, 2]
    assert not array.folder.exists()
    with pytest.raises(CxrbenchError):
        array.row_shape()


def test_a_shard_is_missing_while_it_has_no_mark(fresh):
    array = fresh()
    for shard, left in ((2, [0, 1, 3]), (0, [1, 3]), (3, [1]), (1, [])):
        fill(array, shards=[shard])
        assert array.missing() == left
    mark_path(array, 1).unlink()
    assert array.missing() == [1]


def test_the_folder_has_the_raw_rows_and_a_mark_for_each_shard(fresh):
    array = fill(fresh())
    assert content(array) == rows_from(0, ROWS).tobytes()
    others = [path for path in array.folder.rglob("*") if path.is_file() and path.name != "rows.raw"]
    assert sorted(path.name for path in others if path.suffix) == ["00000.done", "00001.done", "00002.done", "00003.done"]


def test_the_note_is_stored_as_it_is_after_the_last_block(fresh):
    array, drawn = fresh(), []

    def blocks():
        yield rows_from(0, 5)
        drawn.append("first")

    array.write(0, blocks(), note=drawn)
    array.write(2, [rows_from(10, 15)], note={"batch": 16})
    assert array.notes() == {0: ["first"], 2: {"batch": 16}}


def test_unchanged_shards_are_not_damaged(fresh):
    assert fresh().damaged() == []
    assert fill(fresh(), shards=[1, 3]).damaged() == []
    assert fill(fresh()).damaged() == []


@pytest.mark.parametrize("where", ["first byte", "any byte", "last byte"])
@pytest.mark.parametrize("shard", range(4))
def test_one_changed_byte_makes_only_its_shard_missing(fresh, shard, where):
    array = fill(fresh())
    start, stop = (row * 8 for row in array.bounds(shard))
    position = {"first byte": start, "any byte": (start + stop) // 2, "last byte": stop - 1}[where]
    damaged = bytearray(content(array))
    damaged[position] ^= 1
    (array.folder / "rows.raw").write_bytes(damaged)
    assert array.damaged() == [shard]
    assert array.missing() == [shard]
    assert content(fill(array)) == rows_from(0, ROWS).tobytes()
    assert array.damaged() == []


def test_truncating_or_deleting_the_file_damages_its_shards(fresh):
    array = fill(fresh())
    (array.folder / "rows.raw").write_bytes(content(array)[: 7 * 8])
    assert array.damaged() == [1, 2, 3]
    fill(array)
    (array.folder / "rows.raw").unlink()
    assert array.damaged() == [0, 1, 2, 3]
    assert content(fill(array)) == rows_from(0, ROWS).tobytes()


@pytest.mark.parametrize("mark", [b"", b"0", b"\xff\xfe", b"00000000 null", b"{}", b"deadbeef {]", b"x" * 10_000])
def test_a_changed_mark_counts_as_damage(fresh, mark):
    array = fill(fresh())
    mark_path(array, 2).write_bytes(mark)
    assert array.damaged() == [2]
    fill(array)
    assert array.damaged() == []


def test_a_changed_note_counts_as_damage(fresh):
    array = fill(fresh())
    array.write(1, [rows_from(5, 10)], note=["abc"])
    mark_path(array, 1).write_text(mark_path(array, 1).read_text().replace("abc", "abd"))
    assert array.damaged() == [1]


@pytest.mark.parametrize("shapes", [[], ["2", "3"], ["two"], ["3"], ["9999999999999"]])
def test_a_wrong_row_shape_damages_all_shards(fresh, shapes):
    array = fill(fresh())
    (array.folder / "shape" / "2").unlink()
    for name in shapes:
        (array.folder / "shape" / name).touch()
    assert array.damaged() == [0, 1, 2, 3]
    assert content(fill(array)) == rows_from(0, ROWS).tobytes()
    assert array.damaged() == []


def test_a_shard_written_by_another_while_waiting_is_not_missing(fresh):
    array, began, states = fresh(), Event(), []

    def wait():
        began.set()
        with array.writing(0) as is_missing:
            states.append(is_missing)

    with ThreadPoolExecutor(1) as pool:
        with array.writing(0) as is_missing:
            assert is_missing
            waiting = pool.submit(wait)
            began.wait()
            fill(array, shards=[0])
            assert states == []
        waiting.result(timeout=60)
    assert states == [False]
    with array.writing(1) as is_missing:
        assert is_missing
    assert not list(array.folder.glob("*.lock"))


def test_rows_are_converted_to_the_arrays_dtype_and_order(fresh):
    array, values = fresh(3), np.asfortranarray(rows_from(0, 3).astype(np.float64))
    array.write(0, [values])
    assert content(array) == rows_from(0, 3).tobytes()
    assert array.gather(np.arange(3)).dtype == np.float32


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_order_of_writing_does_not_change_the_bytes(fresh, order):
    assert content(fill(fresh(), shards=order)) == rows_from(0, ROWS).tobytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_rows_in_any_blocks_and_order_round_trip(fresh, data):
    rows = data.draw(st.integers(1, 4 * FEW))
    dtype = data.draw(st.sampled_from(["uint8", "float32"]))
    row_shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    values = np.random.default_rng(rows).integers(0, 256, (rows, *row_shape)).astype(dtype)
    array = fresh(rows, dtype)
    for shard in data.draw(st.permutations(range(array.shards))):
        start, stop = array.bounds(shard)
        cuts = sorted(data.draw(st.sets(st.integers(start + 1, stop - 1)))) if stop - start > 1 else []
        array.write(shard, (values[first:last] for first, last in itertools.pairwise([start, *cuts, stop])))
    assert content(array) == values.tobytes()
    assert array.row_shape() == row_shape
    start, stop = sorted(data.draw(st.tuples(st.integers(0, rows - 1), st.integers(1, rows))))
    np.testing.assert_array_equal(array.read(start, max(stop, start + 1)), values[start : max(stop, start + 1)])
    wanted = np.array(data.draw(st.lists(st.integers(0, rows - 1), max_size=30)), dtype=np.int64)
    gathered = array.gather(wanted)
    assert (gathered.dtype, gathered.shape) == (np.dtype(dtype), (len(wanted), *row_shape))
    np.testing.assert_array_equal(gathered, values[wanted])


def test_images_in_full_size_shards_keep_their_shape_and_order(fresh):
    rows = SHARD_ROWS + 3
    images = (np.arange(rows * 4 * 6) % 251).reshape(rows, 4, 6).astype(np.uint8)
    array = fill(fresh(rows, "uint8", SHARD_ROWS), images, shards=[1, 0], block=100)
    assert array.row_shape() == (4, 6)
    wanted = np.array([rows - 1, 0, SHARD_ROWS, SHARD_ROWS - 1, 0])
    np.testing.assert_array_equal(array.gather(wanted), images[wanted])
    np.testing.assert_array_equal(array.read(SHARD_ROWS - 2, rows), images[SHARD_ROWS - 2 :])


def test_written_rows_can_be_read_while_others_are_missing(fresh):
    array = fill(fresh(), shards=[2])
    np.testing.assert_array_equal(array.read(*array.bounds(2)), rows_from(10, 15))
    np.testing.assert_array_equal(array.read(11, 13), rows_from(11, 13))
    fill(array, shards=[0])
    np.testing.assert_array_equal(array.read(0, 5), rows_from(0, 5))
    assert array.missing() == [1, 3]


def test_gathered_rows_are_copies_and_read_rows_are_read_only(fresh):
    array = fill(fresh())
    array.gather(np.array([5, 6]))[:] = -1
    np.testing.assert_array_equal(array.gather(np.array([5, 6])), rows_from(5, 7))
    with pytest.raises(ValueError, match="read-only"):
        array.read(5, 7)[:] = -1


@pytest.mark.parametrize("before", [[0, 2, 3], []])
@pytest.mark.parametrize("blocks", [[rows_from(5, 8)], []])
@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_only_its_own_shard_missing(fresh, error, before, blocks):
    array = fill(fresh(), shards=before)
    with pytest.raises(type(error)):
        array.write(1, raising_after(blocks, error))
    assert array.missing() == sorted({0, 1, 2, 3}.difference(before))
    for shard in before:
        start, stop = array.bounds(shard)
        np.testing.assert_array_equal(array.read(start, stop), rows_from(start, stop))
    assert content(fill(array)) == rows_from(0, ROWS).tobytes()


def test_a_failed_second_write_leaves_the_shard_on_disk(fresh):
    array = fill(fresh())
    with pytest.raises(OSError, match="gone"):
        array.write(1, raising_after([rows_from(5, 7)], OSError("gone")))
    assert array.missing() == []
    assert content(array) == rows_from(0, ROWS).tobytes()


@pytest.mark.parametrize(("shard", "rows"), [(0, 4), (1, 4), (3, 1), (3, 3), (3, 5), (0, 0)])
def test_a_wrong_number_of_rows_is_refused(fresh, shard, rows):
    array = fresh()
    start, stop = array.bounds(shard)
    with pytest.raises(ValueError, match=f"shard {shard} of .*: expected {stop - start} rows, got ({rows}|more)"):
        array.write(shard, [rows_from(row, row + 1) for row in range(start, start + rows)])
    assert array.missing() == [0, 1, 2, 3]
    assert content(fill(array))[: rows_from(0, ROWS).nbytes] == rows_from(0, ROWS).tobytes()


@pytest.mark.parametrize(("first", "second"), [((2,), (3,)), ((3,), (2,)), ((4,), (40,)), ((2, 6), (6, 2)), ((3, 1), (3,))])
def test_rows_of_another_shape_are_refused_and_change_nothing(fresh, first, second):
    array = fresh(2 * FEW)
    array.write(0, [np.zeros((FEW, *first), dtype=np.float32)])
    assert array.row_shape() == first
    message = "rows of different shapes: " + " and ".join(sorted("x".join(map(str, shape)) for shape in (first, second)))
    with pytest.raises(CxrbenchError, match=message):
        array.write(1, [np.zeros((FEW, *second), dtype=np.float32)])
    assert array.missing() == [1]
    array.write(1, [np.ones((FEW, *first), dtype=np.float32)])
    assert array.gather(np.array([FEW, 0]))[:, *([0] * len(first))].tolist() == [1, 0]


def test_refused_blocks_never_reach_the_next_shard(fresh):
    array = fresh(2 * FEW)
    array.write(1, [np.ones((FEW, 2), dtype=np.float32)])
    for wrong in (
        [np.zeros((FEW + 1, 2))],
        [np.zeros((FEW, 2)), np.zeros((1, 2))],
        [np.zeros((FEW - 1, 2)), np.zeros((1, 3))],
    ):
        with pytest.raises((ValueError, CxrbenchError)):
            array.write(0, wrong)
    assert array.missing() == [0]
    assert array.read(FEW, 2 * FEW).tolist() == [[1, 1]] * FEW


def test_concurrent_writers_of_one_array_give_the_same_bytes(tmp_path):
    values = np.random.default_rng(0).normal(size=(64 * 20 + 9, 50)).astype(np.float32)
    np.save(tmp_path / "values.npy", values)
    array = ShardedArray(folder=tmp_path / "array", rows=len(values), dtype="float32", shard_rows=64)
    command = [sys.executable, "-c", WRITER, str(tmp_path / "values.npy"), str(array.folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([*command, str(number)], **pipes) for number in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    while any(process.poll() is None for process in processes):  # a shard that is not missing is correct while others write
        for shard in set(range(array.shards)).difference(array.missing()):
            start, stop = array.bounds(shard)
            np.testing.assert_array_equal(array.read(start, stop), values[start:stop])
    ends = [process.communicate(timeout=60) for process in processes]
    assert [out for out, _ in ends] == ["done\n"] * 3, ends
    assert array.missing() == []
    assert content(array) == values.tobytes()
    assert len([path for path in array.folder.iterdir() if path.is_file()]) == 1 + array.shards


def test_a_killed_writer_leaves_its_shard_missing(tmp_path):
    array = ShardedArray(folder=tmp_path / "array", rows=600, dtype="float32")
    values = np.full((600, 3000), 1, dtype=np.float32)
    fill(array, values, shards=[1])
    process = subprocess.Popen([sys.executable, "-c", DYING, str(array.folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "half\n"
    process.kill()
    process.communicate(timeout=60)
    assert array.missing() == [0]
    np.testing.assert_array_equal(array.read(512, 600), values[512:])
    fill(array, values)
    assert array.missing() == []
    assert content(array) == values.tobytes()


RECORDS = Path(__file__).parents[1] / "samples" / "records"


@pytest.mark.parametrize("version", [1, MARK_VERSION])
def test_arrays_that_earlier_versions_wrote_are_read(version):
    array = ShardedArray(folder=RECORDS / f"array-{version}", rows=513, dtype="uint8")
    assert (array.missing(), array.damaged()) == ([], [])
    assert array.notes() == {0: ["cannot be read", ["jpeg", 40, 40, None]], 1: 32}
    np.testing.assert_array_equal(array.gather(np.array([512, 0])), [[1024 % 251, 1025 % 251], [0, 1]])


def test_rows_are_read_from_a_copy_on_this_machine(tmp_path, monkeypatch):
    array = ShardedArray(folder=tmp_path / "shared" / "key", rows=4, dtype="float32")
    array.write(0, [np.arange(8, dtype="float32").reshape(4, 2)])
    monkeypatch.setenv("CXRBENCH_LOCAL_COPIES", str(tmp_path / "own"))
    assert array.gather(np.array([3, 0])).tolist() == [[6, 7], [0, 1]]
    assert [file.name for file in (tmp_path / "own").iterdir()] == ["key"]
