from __future__ import annotations

import json
import math
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from cProfile import Profile
from datetime import datetime
from functools import partial

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from cxrbench.errors import StudyDamaged
from cxrbench.plugin import Choice, Float, Int, Trial
from cxrbench.search.record import INTERMEDIATE, StudyRecord

SPACE = {
    "learning_rate": Float(low=1e-5, high=1e-2, log=True),
    "dropout": Float(low=0.0, high=0.7),
    "neighbours": Int(low=1, high=64, log=True),
    "kind": Choice(options=("a", "b", 3, True)),
}
PARAMS = {"learning_rate": 0.1 / 3 / 100, "dropout": 0.0, "neighbours": 5, "kind": "b"}
COMPLETE = Trial(
    number=1,
    params={**PARAMS, "threshold": 1 / 3},
    state="complete",
    value=2 / 3,
    losses=(0.7, math.nextafter(0.1, 1)),
    seconds=0.123456789,
)
FAILED = Trial(
    number=0,
    params=PARAMS,
    state="failed",
    failure="oom",
    reason='MemoryError: "no room" for ☃\\',
    log=("one", "two"),
    batch_size=8,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "studies" / "tiny.journal"


def by_optuna(path):
    return optuna.load_study(
        study_name="mobilenet+none+smote:k_neighbors=3", storage=JournalStorage(JournalFileBackend(str(path)))
    )


def record(path, space=SPACE):
    return StudyRecord(path, "mobilenet+none+smote:k_neighbors=3", space)


def test_trials_are_read_back_exactly_and_sorted_by_number(path):
    written = record(path)
    assert written.finished() == []
    assert path.is_file()
    written.add(COMPLETE)
    written.add(FAILED)
    for found in (written.finished(), record(path).finished()):
        assert found == [FAILED, COMPLETE]
        assert repr(found) == repr([FAILED, COMPLETE])  # with the same types: 5 and not 5.0


def test_optunas_own_tools_read_the_record(path):
    written = record(path)
    written.add(COMPLETE)
    written.add(FAILED)
    study = by_optuna(path)
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    complete, failed = study.get_trials()
    assert (complete.state, failed.state) == (TrialState.COMPLETE, TrialState.FAIL)
    assert (complete.value, failed.value) == (COMPLETE.value, None)
    assert complete.params == COMPLETE.params
    assert failed.params == FAILED.params
    assert complete.intermediate_values == dict(enumerate(COMPLETE.losses))
    assert failed.user_attrs["reason"] == FAILED.reason
    assert failed.user_attrs["failure"] == "oom"
    assert failed.user_attrs["batch_size"] == 8
    assert not {"failure", "batch_size"} & complete.user_attrs.keys()
    assert study.best_params == COMPLETE.params


def test_a_chosen_threshold_is_recorded_as_a_single_point(path):
    record(path).add(COMPLETE)
    (trial,) = by_optuna(path).get_trials()
    assert trial.distributions == {
        "learning_rate": FloatDistribution(1e-5, 1e-2, log=True),
        "dropout": FloatDistribution(0.0, 0.7),
        "neighbours": IntDistribution(1, 64, log=True),
        "kind": CategoricalDistribution(("a", "b", 3, True)),
        "threshold": FloatDistribution(1 / 3, 1 / 3),
    }


@pytest.mark.parametrize("threshold", [0.0, 1.0, 5e-324])
def test_a_threshold_at_the_edge_is_recorded(path, threshold):
    trial = Trial(number=0, params={**PARAMS, "threshold": threshold}, state="complete", value=0.5, losses=(0.7,))
    record(path).add(trial)
    assert record(path).finished() == [trial]


def test_a_searched_threshold_keeps_its_own_distribution(path):
    space = {**SPACE, "threshold": Float(low=0.01, high=0.99)}
    record(path, space).add(COMPLETE)
    (trial,) = by_optuna(path).get_trials()
    assert trial.distributions["threshold"] == FloatDistribution(0.01, 0.99)
    assert record(path, space).finished() == [COMPLETE]


def test_a_study_is_one_readable_file(path):
    written = record(path)
    for number in range(30):
        written.add(Trial(number=number, params=PARAMS, state="failed", reason=f"reason {number}"))
    assert [trial.number for trial in record(path).finished()] == list(range(30))
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert all(isinstance(json.loads(line), dict) for line in path.read_text(encoding="utf-8").splitlines())


def trial(number, **given):
    return Trial(number=number, **{"params": PARAMS, "state": "failed", "reason": f"reason {number}", **given})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the bytes of a journal of three trials, the last of which has multi-byte characters."""
    path = tmp_path_factory.mktemp("whole") / "tiny.journal"
    written = record(path)
    for number, reason in enumerate(("one", "two", "three ☃ \\ \n lines")):
        written.add(trial(number, reason=reason))
    return path.read_bytes()


@given(st.data())
def test_a_journal_cut_anywhere_loses_only_what_was_cut(whole, tmp_path_factory, data):
    kept = data.draw(st.integers(0, len(whole)))
    path = tmp_path_factory.mktemp("cut") / "tiny.journal"
    path.write_bytes(whole[:kept])
    complete = sum(b'"op_code":4,' in line for line in whole[:kept].splitlines(keepends=True) if line.endswith(b"\n"))
    opened = record(path)
    assert [one.number for one in opened.finished()] == list(range(complete))
    for number in range(complete, 3):
        opened.add(trial(number))
    assert [one.number for one in record(path).finished()] == [0, 1, 2]
    assert len(by_optuna(path).get_trials()) == 3


def test_an_unfinished_last_line_is_cut_off(whole, path):
    begin = whole.rstrip(b"\n").rfind(b"\n") + 1
    path.parent.mkdir()
    for kept in range(begin, len(whole), 5):
        path.write_bytes(whole[:kept])
        assert [one.number for one in record(path).finished()] == [0, 1]
        assert path.read_bytes() == whole[:begin]


def test_the_next_writer_cuts_an_unfinished_line_off(path):
    ours, theirs = record(path), record(path)
    ours.add(trial(0))
    with path.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"killed here')
    theirs.add(trial(1))
    ours.add(trial(2))
    assert [one.number for one in ours.finished()] == [0, 1, 2]
    assert [one.number for one in record(path).finished()] == [0, 1, 2]


@pytest.mark.parametrize(
    "line", [b"{half\n", b"\0\0\0\0\n", b"null\n", b"7\n", b"{}\n", b"\n", b'{"op_code":99,"worker_id":"x"}\n']
)
@pytest.mark.parametrize("where", ["last", "in the middle"])
def test_a_damaged_journal_is_an_error_with_a_remedy(path, whole, line, where):
    path.parent.mkdir()
    *before, last = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([*before, line, last] if where == "in the middle" else [*before, last, line]))
    with pytest.raises(StudyDamaged, match=r"tiny\.journal is damaged.* Move the file away to repeat its trials"):
        record(path)
    assert line in path.read_bytes()  # the file is kept for repair


def test_damage_is_reported_by_a_record_that_was_open_before(path):
    opened = record(path)
    opened.add(trial(0))
    with path.open("ab") as file:
        file.write(b"{half\n{}\n")
    with pytest.raises(StudyDamaged, match=r"tiny\.journal is damaged"):
        opened.finished()


def test_a_lock_is_released_when_its_process_dies(path):
    record(path).add(trial(0))
    program = (
        "import sys, time; from pathlib import Path; from cxrbench.search.journal import SystemLock;"
        "lock = SystemLock(Path(sys.argv[1])); lock.acquire(); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout.readline() == "held\n"
        with ThreadPoolExecutor() as threads:
            waiting = threads.submit(lambda: record(path).add(trial(1)))
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            holder.kill()
            killed = time.monotonic()
            waiting.result(timeout=10)
    assert time.monotonic() - killed < 5
    assert [one.number for one in record(path).finished()] == [0, 1]


def test_concurrent_processes_lose_no_trial(path):
    program = (
        "import sys; from pathlib import Path;"
        "from cxrbench.plugin import Trial; from cxrbench.search.record import INTERMEDIATE, StudyRecord;"
        "opened = StudyRecord(Path(sys.argv[1]), 'mobilenet+none+smote:k_neighbors=3', {});"
        "[opened.add(Trial(number=int(sys.argv[2]) + n, params={}, state='failed', reason='x')) for n in range(40)]"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, str(path), str(first)]) for first in (0, 40)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert [one.number for one in record(path).finished()] == list(range(80))


def test_the_first_of_two_trials_with_one_number_counts(path):
    first, second = record(path), record(path)
    first.add(trial(0, reason="first"))
    first.add(trial(1))
    second.add(trial(0, reason="second"))
    assert [(one.number, one.reason) for one in record(path).finished()] == [(0, "first"), (1, "reason 1")]


def test_trials_added_with_optunas_tools_are_ignored(path):
    record(path).add(trial(0))
    study = by_optuna(path)
    study.ask()  # still running
    study.add_trial(optuna.trial.create_trial(value=0.5))
    assert [one.number for one in record(path).finished()] == [0]


def test_unknown_and_missing_attributes_are_accepted(path):
    record(path)
    attributes = {"number": 3, "weather": "fine"}
    by_optuna(path).add_trial(optuna.trial.create_trial(value=0.5, user_attrs=attributes))
    assert record(path).finished() == [Trial(number=3, params={}, state="complete", value=0.5)]


def test_reopening_a_record_does_not_write_to_it(path):
    about = {"recipe": "mobilenet+none+smote:k_neighbors=3", "fold": 0}
    StudyRecord(path, about["recipe"], SPACE, about).add(trial(0))
    before = path.read_bytes()
    assert StudyRecord(path, about["recipe"], SPACE, about).finished() == [trial(0)]
    assert path.read_bytes() == before
    assert by_optuna(path).user_attrs == {**about, **INTERMEDIATE}
    StudyRecord(path, about["recipe"], SPACE, {**about, "protocol": "p-100"})
    assert by_optuna(path).user_attrs == {**about, **INTERMEDIATE, "protocol": "p-100"}


def test_a_trial_has_the_times_that_were_measured(path):
    ended = datetime(2026, 3, 1, 12, 0, 30)
    record(path).add(COMPLETE, ended)
    before = datetime.now()
    record(path).add(trial(2, seconds=600.0))
    told, now = by_optuna(path).get_trials()
    assert told.datetime_complete.replace(tzinfo=None) == ended
    assert told.duration.total_seconds() == pytest.approx(COMPLETE.seconds, abs=1e-6)
    assert now.duration.total_seconds() == pytest.approx(600)
    assert before <= now.datetime_complete.replace(tzinfo=None) <= datetime.now()


def test_the_objective_has_a_name_that_is_written_once(path):
    named = partial(StudyRecord, path, "mobilenet+none+smote:k_neighbors=3", SPACE, metric="auc")
    record(path).add(COMPLETE)  # by an earlier version, which gave no name
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        named()
    before = path.read_bytes()
    assert named().finished() == [COMPLETE]
    assert path.read_bytes() == before
    assert by_optuna(path).metric_names == ["validation_auc"]
    assert "value_validation_auc" in by_optuna(path).trials_dataframe().columns


def test_adding_a_trial_takes_as_many_calls_as_the_first(path):
    written, calls = record(path), []
    for number in range(60):
        with Profile() as profile:
            written.add(trial(number, losses=(0.5,) * 10))
        calls.append(sum(entry.callcount for entry in profile.getstats()))
    assert max(calls[1:]) <= calls[1] + 20
    assert len(written.finished()) == 60
