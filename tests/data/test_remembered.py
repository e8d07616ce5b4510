from __future__ import annotations

import numpy as np
import pytest

from cxrbench.data.audit.compared import FoundPairs
from cxrbench.data.audit.remembered import remembered_pairs

FOUND = (
    FoundPairs(how="", pairs=np.array([[0, 3], [2, 5]])),
    FoundPairs(how="mirrored", pairs=np.zeros((0, 2), dtype=np.int64)),
    FoundPairs(how="rotated", pairs=np.array([[1, 4]])),
)
ROWS, LABELS = np.arange(6), np.array([0, 1, 0, 1, 0, 1])


@pytest.fixture
def searching():
    """Return a search that finds pairs, and the list of its calls."""
    calls = []

    def search():
        calls.append("searched")
        return FOUND

    return search, calls


def listed(found):
    return [(each.how, each.pairs.tolist()) for each in found]


def test_the_same_images_are_searched_once(tmp_path, searching):
    search, calls = searching
    for _ in range(3):
        assert listed(remembered_pairs(tmp_path, (ROWS, LABELS), search)) == listed(FOUND)
    assert len(calls) == 1


def test_other_labels_or_rows_are_searched_anew(tmp_path, searching):
    search, calls = searching
    for depends_on in ((ROWS, LABELS), (ROWS, 1 - LABELS), (ROWS[:5], LABELS)):
        remembered_pairs(tmp_path, depends_on, search)
    assert len(calls) == 3


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 damaged", b"\x93NUMPY"])
def test_a_damaged_file_is_replaced(tmp_path, searching, content):
    search, calls = searching
    remembered_pairs(tmp_path, (ROWS,), search)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    for _ in range(2):
        assert listed(remembered_pairs(tmp_path, (ROWS,), search)) == listed(FOUND)
    assert len(calls) == 2


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path, searching):
    search, calls = searching
    no_folder = tmp_path / "file"
    no_folder.write_text("")
    for _ in range(2):
        assert listed(remembered_pairs(no_folder, (ROWS,), search)) == listed(FOUND)
    assert len(calls) == 2
