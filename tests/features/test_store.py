from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrbench.features.store import SHARD_ROWS, FeatureView

ROWS = 2 * SHARD_ROWS + 7


def features_of(start, stop):
    return np.stack([np.arange(start, stop), np.arange(start, stop) * 3 + 1], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    view = FeatureView(folder=tmp_path_factory.mktemp("features") / "key", rows=ROWS)
    for shard in (2, 0, 1):
        view.write(shard, features_of(*view.bounds(shard)))
    return view


@settings(deadline=None)
@given(st.lists(st.integers(0, ROWS - 1), max_size=60))
def test_rows_come_in_the_order_asked_for(view, rows):
    wanted = np.array(rows, dtype=np.int64)
    found = view.gather(wanted)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.stack([wanted, wanted * 3 + 1], axis=1))


def test_all_rows_come_from_all_shards(view):
    np.testing.assert_array_equal(view.gather(np.arange(ROWS)), features_of(0, ROWS))
    assert view.width() == 2


def test_what_was_gathered_is_the_callers_own(view):
    view.gather(np.array([5, 6]))[:] = -1
    np.testing.assert_array_equal(view.gather(np.array([5, 6])), features_of(5, 7))


@pytest.mark.parametrize(("rows", "last"), [(1, (0, 1)), (1024, (0, 1024)), (1025, (1024, 1025)), (2048, (1024, 2048))])
def test_shards_cover_every_row_once(tmp_path, rows, last):
    view = FeatureView(folder=tmp_path, rows=rows)
    bounds = [view.bounds(shard) for shard in view.missing()]
    assert bounds[-1] == last
    assert [row for start, stop in bounds for row in range(start, stop)] == list(range(rows))


def test_a_shard_that_was_deleted_is_missing(tmp_path):
    view = FeatureView(folder=tmp_path / "key", rows=ROWS)
    assert view.missing() == [0, 1, 2]
    for shard in view.missing():
        view.write(shard, features_of(*view.bounds(shard)))
    assert view.missing() == []
    view.path(1).unlink()
    assert view.missing() == [1]


def test_a_shard_is_a_plain_float32_file_and_nothing_else_is_left(tmp_path):
    view = FeatureView(folder=tmp_path / "key", rows=3)
    view.write(0, features_of(0, 3).astype(np.float64).T.copy().T)
    assert list(view.folder.iterdir()) == [view.path(0)]
    stored = np.load(view.path(0), allow_pickle=False)
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, features_of(0, 3))


def test_a_write_that_breaks_off_leaves_nothing(tmp_path):
    view = FeatureView(folder=tmp_path / "key", rows=3)
    with pytest.raises(ValueError, match="could not convert"):
        view.write(0, "these are no features")
    assert view.missing() == [0]
    assert list(view.folder.iterdir()) == []


def test_a_write_that_breaks_off_leaves_the_shard_that_was_there(tmp_path):
    view = FeatureView(folder=tmp_path / "key", rows=3)
    view.write(0, features_of(0, 3))
    with pytest.raises(ValueError, match="could not convert"):
        view.write(0, "these are no features")
    np.testing.assert_array_equal(view.gather(np.array([2])), features_of(2, 3))
