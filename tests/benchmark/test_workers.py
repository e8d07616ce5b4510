"""What an entry says of where it was computed."""

from __future__ import annotations

from cxrbench.benchmark.workers import processor_remarks


def test_an_entry_names_processors_only_if_they_differ():
    assert processor_remarks(frozenset()) == processor_remarks(frozenset({"Intel Xeon"})) == ()
    (remark,) = processor_remarks(frozenset({"Intel Xeon", "AMD EPYC"}))
    assert remark.endswith("which round differently: AMD EPYC, Intel Xeon")
