from __future__ import annotations

from cxrbench.execution import progress
from cxrbench.execution.progress import Progress, StageIfSlow


class Heard(Progress):
    def __init__(self):
        self.calls = []

    def begin(self, stage, total, taken=0.0):
        self.calls.append((stage, total, taken >= 0))

    def advance(self, stage, steps=1):
        self.calls.append((stage, steps))


def test_a_stage_that_is_slow_shows_with_all_of_its_steps(monkeypatch):
    heard = Heard()
    stage = StageIfSlow(heard, "reading", 4)
    stage.advance()
    stage.advance()
    assert heard.calls == []
    monkeypatch.setattr(progress, "UNSEEN_S", 0.0)
    stage.advance()
    stage.advance()
    assert heard.calls == [("reading", 4, True), ("reading", 3), ("reading", 1)]
