from __future__ import annotations

import pytest

from cxrbench.execution import progress
from cxrbench.execution.progress import Progress, StageIfSlow


class Heard(Progress):
    def __init__(self):
        self.calls = []

    def begin(self, stage, total):
        self.calls.append((stage, total))

    def advance(self, stage, steps=1):
        self.calls.append((stage, steps))


@pytest.mark.parametrize(("unseen", "calls"), [(1e9, []), (0.0, [("reading", 9), ("reading", 4), ("reading", 5)])])
def test_a_stage_shows_when_it_is_slow(monkeypatch, unseen, calls):
    monkeypatch.setattr(progress, "UNSEEN_S", unseen)
    heard = Heard()
    stage = StageIfSlow(heard, "reading", 9)
    stage.advance(4)
    stage.advance(5)
    assert heard.calls == calls


def test_what_was_not_shown_counts(monkeypatch):
    heard = Heard()
    stage = StageIfSlow(heard, "reading", 9)
    stage.advance(4)
    monkeypatch.setattr(progress, "UNSEEN_S", 0.0)
    stage.advance(5)
    assert heard.calls == [("reading", 9), ("reading", 9)]
