"""An entry knows which classes its dataset chose, wherever its images are now."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from cxrbench.benchmark.entry_images import chosen_classes


@pytest.mark.parametrize(
    ("data", "place", "expected"),
    [
        ("folder:negative=Normal,positive=TB", "tb/", {"positive": "TB", "negative": "Normal"}),
        ("folder:negative=0,positive=2", "tb/", {"positive": "2", "negative": "0"}),
        ("folder:negative=Normal,positive=TB", "folder:source=tb,positive=COVID", {"negative": "Normal"}),
        ("folder:negative=Normal,positive=TB", "folder:negative=Normal,positive=TB", {}),
        ("folder:subfolder=images", "tb/", {}),
        ("sample", "sample", {}),
        ("", "tb/", {}),  # an entry of an earlier version
    ],
)
def test_the_classes_of_an_entry_are_kept(data, place, expected):
    assert chosen_classes(SimpleNamespace(data=data), place) == expected
