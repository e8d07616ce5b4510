"""Retries on out-of-memory: half the batch, at most twice, and recorded."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from cxrbench.benchmark.selection import freeze, smaller_training_warnings
from cxrbench.config.protocol import Protocol
from cxrbench.execution.executor import InProcessExecutor
from cxrbench.plugin import Record, Trial
from cxrbench.search.study import StudyStopped

PARAMS = {"learning_rate": 3e-3, "dropout": 0.3, "threshold": 0.5}


class Cramped(InProcessExecutor):
    """Runs out of memory for batches that are larger than a limit."""

    def __init__(self, fits):
        super().__init__()
        self.fits = fits
        self.attempts = []

    def submit(self, function, /, *arguments, **keywords):
        job, number = function.__self__, arguments[0]
        self.attempts.append((number, job.configuration.batch_size))
        if job.configuration.batch_size <= self.fits:
            return super().submit(function, *arguments, **keywords)
        return super().submit(exec, "raise MemoryError('no memory left')")


def run_of(job, executor, seeds=1):
    """Return what freezing needs of a run: the images of the job behind an executor."""
    rows, labels = job.validation
    records = {
        int(row): Record(key=f"{row}", label=int(label), patient=f"{row}") for row, label in zip(rows, labels, strict=True)
    }
    return SimpleNamespace(
        executor=executor,
        protocol=Protocol.model_construct(seeds=seeds, threshold="max-f1"),
        dataset=SimpleNamespace(records=records, measured_groups={}),
        splits=(SimpleNamespace(validation=rows),),
    )


@pytest.mark.parametrize(("fits", "sizes"), [(16, [16]), (8, [16, 8]), (5, [16, 8, 4])])
def test_a_trial_without_memory_is_retried_in_half_batches(make_study, search, fits, sizes):
    study, executor = make_study(), Cramped(fits)
    (trial,), _ = search(study, 1, executor=executor)
    assert executor.attempts == [(0, size) for size in sizes]
    assert (trial.state, trial.batch_size) == ("complete", None if len(sizes) == 1 else sizes[-1])
    alike = replace(study.job, study="alike", configuration=replace(study.job.configuration, batch_size=sizes[-1]))
    assert alike.train_trial(0, trial.params).losses == trial.losses


def test_a_trial_without_memory_fails_after_three_attempts(make_study, search):
    executor = Cramped(0)
    found, _ = search(make_study(), 2, executor=executor)
    assert executor.attempts == [(number, size) for number in (0, 1) for size in (16, 8, 4)]
    assert [(trial.state, trial.failure, trial.batch_size) for trial in found] == [("failed", "oom", None)] * 2
    assert found[0].reason == "MemoryError: no memory left"


def test_failures_are_counted_by_trial_and_not_by_attempt(make_study, search):
    with pytest.raises(StudyStopped, match="5 trials in a row failed"):
        search(make_study(), 5, executor=Cramped(0))


def test_a_head_is_frozen_with_the_batch_size_of_its_trial(make_study):
    job, executor = make_study().job, Cramped(16)
    selected = Trial(number=3, params=PARAMS, state="complete", value=0.9, losses=(0.5,), batch_size=4)
    selections = freeze(run_of(job, executor, seeds=2), 0, job, selected)
    assert executor.attempts == [(3, 4), (3, 4)]
    assert [selection.batch_size for selection in selections] == [4, 4]
    trained = job.in_batches(4).train_trial(3, PARAMS)
    assert selections[0].model.scores.tobytes() == trained.scores.tobytes()
    assert job.freeze(3, PARAMS).scores.tobytes() != trained.scores.tobytes()
    (warning,) = smaller_training_warnings(16, selected, selections)
    assert warning == "trial 3 was trained in batches of 4 rows: 16 did not fit in memory"


@pytest.mark.parametrize(
    ("fits", "sizes", "warnings"),
    [
        (16, [16], ()),
        (8, [16, 8], ("trial 0 was trained in batches of 16 and 8 rows: 16 did not fit in memory",)),
    ],
)
def test_a_head_without_memory_is_frozen_in_smaller_batches(make_study, fits, sizes, warnings):
    job, executor = make_study().job, Cramped(fits)
    selected = Trial(number=0, params=PARAMS, state="complete", value=0.9, losses=(0.5,))
    selections = freeze(run_of(job, executor), 0, job, selected)
    assert executor.attempts == [(0, size) for size in sizes]
    assert smaller_training_warnings(16, selected, selections) == warnings
