from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from cxrbench.config.component import Component
from cxrbench.config.part import bind
from cxrbench.errors import PluginError, WorkersUnavailable
from cxrbench.evaluation.metrics import metrics
from cxrbench.evaluation.threshold import choose_threshold
from cxrbench.execution.executor import InProcessExecutor
from cxrbench.execution.failures import CallTimeout, failure_kind, failure_log, with_log
from cxrbench.plugin import Choice, Float, Int, Trial
from cxrbench.plugin.specs import Engine
from cxrbench.search.record import StudyRecord
from cxrbench.search.study import NoTrialCompleted, StudyStopped, search_space, select_trial

GOOD = {"learning_rate": 1e-3, "dropout": 0.2}


def results(trials):
    """Return trials without the time they took."""
    return [replace(trial, seconds=0.0) for trial in trials]


def on_record(tmp_path, study, record="record"):
    return StudyRecord(tmp_path / "studies" / f"{record}.journal", "tiny", study.space).finished()


class Fixed:
    """An engine that always proposes the same parameters."""

    def __init__(self, params):
        self.params = params

    def propose(self, number, finished):
        return self.params


class Losing(InProcessExecutor):
    """Loses the workers of some trials, and computes the others at once."""

    def __init__(self, lost, error=None):
        super().__init__()
        self.lost = lost
        self.error = error

    def submit(self, function, /, *arguments, **keywords):
        if not self.lost(arguments[0]):
            return super().submit(function, *arguments, **keywords)
        future = Future()
        future.set_exception(self.error or with_log(CallTimeout("took longer than 1 s"), [f"line of trial {arguments[0]}"]))
        return future


class Counting(InProcessExecutor):
    """Records the numbers of the trials that it computed."""

    def __init__(self):
        super().__init__()
        self.numbers = []

    def submit(self, function, /, *arguments, **keywords):
        self.numbers.append(arguments[0])
        return super().submit(function, *arguments, **keywords)


class LastFirst(InProcessExecutor):
    """Returns the results of every five calls in reversed order."""

    def __init__(self):
        super().__init__()
        self.waiting = []

    def submit(self, function, /, *arguments, **keywords):
        future = Future()
        self.waiting.append((future, super().submit(function, *arguments, **keywords).result()))
        if len(self.waiting) == 5:
            threading.Thread(target=self.return_results, args=(self.waiting[::-1],)).start()
            self.waiting = []
        return future

    def return_results(self, waiting):
        for future, result in waiting:
            time.sleep(0.1)
            future.set_result(result)


def test_trials_in_one_process_follow_one_another(make_study, search, tmp_path):
    search(make_study(), 5)  # each is trained when it is proposed, and recorded when all of its generation are
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "studies" / "record.journal")))
    recorded = optuna.load_study(study_name="tiny", storage=storage).get_trials()
    trials = sorted(recorded, key=lambda trial: trial.user_attrs["number"])
    for earlier, later in pairwise(trials):
        assert earlier.duration.total_seconds() == pytest.approx(earlier.user_attrs["seconds"], abs=1e-5)
        assert later.datetime_start >= earlier.datetime_complete
    assert [trial.intermediate_values for trial in trials] == [dict(enumerate(trial.user_attrs["losses"])) for trial in trials]


@pytest.mark.parametrize("trials", [1, 5, 7])
def test_exactly_the_requested_trials_are_finished(make_study, search, tmp_path, trials):
    study = make_study()
    found, order = search(study, trials)
    assert [trial.number for trial in found] == list(range(trials))
    assert sorted(order) == list(range(trials))
    assert {trial.state for trial in found} == {"complete"}
    assert len(on_record(tmp_path, study)) == trials


def test_a_trial_is_judged_on_validation_at_its_own_threshold(make_study, search):
    study = make_study(metric="f1")
    for trial in search(study, 2)[0]:
        scores = study.job.train_trial(trial.number, trial.params).scores[0]
        labels = study.job.validation[1]
        assert trial.params["threshold"] == choose_threshold("max-f1", labels, scores)
        assert trial.value == metrics(labels, scores, trial.params["threshold"])["f1"]
        assert len(trial.losses) == 2
        assert trial.seconds > 0


def test_a_trial_is_judged_by_its_mean_over_the_versions(make_study, search):
    study = make_study()
    rows, labels = study.job.validation
    job = replace(study.job, shifted=((study.job.views[0], rows[::-1]),))  # other images under the same labels
    (trial,), _ = search(replace(study, job=job, job_of=lambda params: job), 1)
    versions = job.train_trial(0, trial.params).scores
    threshold = choose_threshold("max-f1", np.tile(labels, 2), versions.ravel())
    each = [metrics(labels, scores, threshold)["auc"] for scores in versions]
    assert each[0] > each[1]
    assert trial.params["threshold"] == threshold
    assert trial.value == pytest.approx(np.mean(each), abs=1e-12)


def test_a_median_threshold_draws_the_patients_of_the_images(make_study, search):
    study = make_study(policy="median-youden")
    labels = study.job.validation[1]
    job = replace(study.job, patients=np.arange(len(labels)) // 5)
    (trial,), _ = search(replace(study, job=job, job_of=lambda params: job), 1)
    scores = job.train_trial(0, trial.params).scores[0]
    expected = choose_threshold("median-youden", labels, scores, job.patients)
    assert trial.params["threshold"] == expected != choose_threshold("median-youden", labels, scores)


def test_recorded_trials_are_not_repeated_for_the_same_or_less(make_study, search):
    study, executor = make_study(), Counting()
    found, _ = search(study, 6)
    for trials in (6, 3):
        assert search(study, trials, executor=executor) == (found[:trials], [])
    assert executor.numbers == []


@pytest.mark.parametrize("first", [5, 7])
def test_a_resumed_study_equals_an_uninterrupted_one(make_study, search, first):
    at_once, _ = search(make_study(), 10, record="at once")
    executor = Counting()
    search(make_study(), first, record="in two")
    in_two, order = search(make_study(), 10, record="in two", executor=executor)
    assert executor.numbers == list(range(first, 10))
    assert sorted(order) == list(range(first, 10))
    assert results(in_two) == results(at_once)


def test_missing_trials_of_a_generation_are_proposed_identically(make_study, search, tmp_path):
    study = make_study()
    at_once, _ = search(study, 10, record="at once")
    torn = StudyRecord(tmp_path / "studies" / "torn.journal", "tiny", study.space)
    for number in (8, 1, 0, 3, 2, 4, 6):
        torn.add(at_once[number])
    executor = Counting()
    assert results(search(study, 10, record="torn", executor=executor)[0]) == results(at_once)
    assert executor.numbers == [5, 7, 9]


def test_trials_depend_on_earlier_generations_alone(make_study, search):
    forwards, _ = search(make_study(), 10, record="forwards")
    backwards, order = search(make_study(), 10, record="backwards", executor=LastFirst())
    assert order == [4, 3, 2, 1, 0, 9, 8, 7, 6, 5]
    assert results(backwards) == results(forwards)


def test_an_engine_sees_exactly_the_finished_earlier_generations(make_study, search):
    seen = {}

    class Recording(Fixed):
        def propose(self, number, finished):
            seen[number] = [trial.number for trial in finished]
            return self.params

    search(make_study(engine=Recording(GOOD), generation=3), 8)
    earlier = [[]] * 3 + [[0, 1, 2]] * 3 + [[0, 1, 2, 3, 4, 5]] * 2
    assert seen == dict(enumerate(earlier))


def test_a_lost_trial_is_recorded_with_its_reason(make_study, search, tmp_path):
    study = make_study()
    found, order = search(study, 7, executor=Losing({1, 5}.__contains__, OSError("no space left\non the device")))
    assert len(order) == 7
    assert [trial.number for trial in found if trial.state == "failed"] == [1, 5]
    assert (found[1].value, found[1].losses, found[1].reason) == (None, (), "OSError: no space left")
    assert [trial.failure for trial in found if trial.failure] == ["plugin_error"] * 2
    assert found[1].params.keys() == study.space.keys()
    assert on_record(tmp_path, study) == found
    assert select_trial(found).state == "complete"


def test_a_failing_strategy_fails_only_its_own_trials(make_study, search, delicate):
    found, _ = search(make_study(imbalance=delicate()), 10)
    assert {trial.state for trial in found} == {"complete", "failed"}
    for trial in found:
        assert (trial.state == "failed") == (trial.params["strength"] > 0.6)
        assert trial.reason == ("MemoryError: no room for strength True" if trial.state == "failed" else "")
        assert trial.failure == ("oom" if trial.state == "failed" else None)


def test_a_study_without_complete_trials_names_the_reasons(make_study, search, delicate):
    found, _ = search(make_study(imbalance=delicate("delicate:breaks_above=-1.0")), 4)
    with pytest.raises(NoTrialCompleted, match=r"none of 4 trials completed: MemoryError: no room for strength True$"):
        select_trial(found)


def test_an_interrupted_trial_is_not_recorded_as_failed(make_study, search, tmp_path):
    study = make_study()
    for error in (KeyboardInterrupt, WorkersUnavailable):
        with pytest.raises(error):
            search(study, 5, executor=Losing(lambda number: True, error()))
        assert on_record(tmp_path, study) == []


@pytest.mark.parametrize(
    "params",
    [
        {"learning_rate": 0.1, "dropout": 0.2},
        {"learning_rate": 1e-3, "dropout": -1e-9},
        {"learning_rate": float("nan"), "dropout": 0.2},
        {"learning_rate": "0.001", "dropout": 0.2},
        {"learning_rate": 1e-3},
        {**GOOD, "momentum": 0.9},
        {},
    ],
)
def test_a_proposal_outside_the_space_is_a_plugin_error(make_study, search, tmp_path, params):
    study, executor = make_study(engine=Fixed(params)), Counting()
    with pytest.raises(PluginError, match=r"the engine proposed .* for trial 0"):
        search(study, 5, executor=executor)
    assert executor.numbers == []
    assert on_record(tmp_path, study) == []


@pytest.mark.parametrize(
    ("parameter", "value"), [(Int(low=1, high=9), 2.5), (Int(low=1, high=9), 10), (Choice(options=("a", "b")), "c")]
)
def test_a_proposal_of_another_type_is_outside_the_space(make_study, search, parameter, value):
    study = make_study(engine=Fixed({**GOOD, "extra": value}))
    with pytest.raises(PluginError, match="outside the space"):
        search(replace(study, space={**study.space, "extra": parameter}), 1)


def test_a_searched_threshold_comes_from_the_engine(make_study, search):
    study = make_study(policy="search", engine=Fixed({**GOOD, "threshold": 0.625}), metric="accuracy")
    (trial,), _ = search(study, 1)
    assert trial.params == {**GOOD, "threshold": 0.625}
    scores = study.job.train_trial(0, GOOD).scores[0]
    assert trial.value == np.mean((scores >= 0.625) == study.job.validation[1])


def test_the_space_holds_the_harness_and_strategy_parameters():
    assert search_space("max-f1", {}).keys() == {"learning_rate", "dropout"}
    assert search_space("search", {"gamma": Float(low=0, high=5)}).keys() == {"learning_rate", "dropout", "threshold", "gamma"}


def test_two_parameters_with_the_same_name_are_refused():
    with pytest.raises(PluginError, match="a plugin cannot search learning_rate"):
        search_space("max-f1", {"learning_rate": Float(low=0, high=1)})
    with pytest.raises(PluginError, match="a plugin cannot search depth"):
        search_space("max-f1", {"depth": Int(low=0, high=1)}, {"depth": Int(low=0, high=1)})


def test_ties_are_broken_by_loss_and_then_by_number():
    def trial(number, value, losses, state="complete"):
        return Trial(number=number, params=GOOD, state=state, value=value, losses=losses)

    trials = [
        trial(0, 0.9, (0.5, 0.4)),
        trial(1, None, (), "failed"),
        trial(2, 0.9, (0.3, 0.9)),
        trial(3, 0.9, (0.9, 0.3)),
        trial(4, 0.8, (0.1,)),
    ]
    assert select_trial(trials).number == 2
    assert select_trial(trials[::-1]).number == 2
    assert select_trial([trial(0, 0.0, (0.7,)), trial(1, None, (), "failed")]).number == 0


def test_another_seed_is_another_study(make_study, search, host):
    first, _ = search(make_study(), 1, record="first")
    other, _ = search(make_study(seed=12), 1, record="other")
    assert first[0].params != other[0].params
    engine = bind(Component(name="optuna"), host.find(Engine, "optuna")).build(space=make_study().space, seed=11)
    assert results(search(make_study(engine=engine), 1, record="again")[0]) == results(first)


def test_too_many_failures_end_a_study_after_their_generation(make_study, search, tmp_path):
    study = make_study()
    with pytest.raises(StudyStopped) as caught:
        search(study, 50, executor=Losing(lambda number: number >= 2))
    assert str(caught.value) == ("5 trials in a row failed; raise --max-failures to resume. Last failure: took longer than 1 s")
    assert (failure_kind(caught.value), caught.value.trial.number) == ("timeout", 6)
    assert failure_log(caught.value) == ("line of trial 6",)
    finished = on_record(tmp_path, study)
    assert [trial.number for trial in finished if trial.state == "complete"] == [0, 1]
    failures = {trial.number: trial.failure for trial in finished if trial.state == "failed"}
    assert failures == dict.fromkeys(range(2, 10), "timeout")


def test_a_stopped_study_resumes_with_a_higher_limit_only(make_study, search, tmp_path):
    study, executor = make_study(max_failures=3), Counting()
    with pytest.raises(StudyStopped) as first:
        search(study, 15, executor=Losing(lambda number: 1 <= number < 6))
    before = on_record(tmp_path, study)
    assert [trial.number for trial in before] == list(range(5))
    with pytest.raises(StudyStopped) as again:
        search(study, 15, executor=executor)
    assert str(again.value) == str(first.value)
    assert failure_log(again.value) == failure_log(first.value) == ("line of trial 3",)
    assert executor.numbers == []
    found, order = search(make_study(max_failures=5), 15, executor=executor)
    assert sorted(order) == executor.numbers == list(range(5, 15))
    assert found[:5] == before


@pytest.mark.parametrize("kept", [(), (0, 1), (2, 3, 4), (4, 6, 7), range(9)])
def test_an_interruption_does_not_change_where_a_study_stops(make_study, search, tmp_path, kept):
    def executor():
        return Losing(lambda number: number >= 3)

    with pytest.raises(StudyStopped) as undisturbed:
        search(make_study(), 20, executor=executor())
    at_once = on_record(tmp_path, study := make_study())
    torn = StudyRecord(tmp_path / "studies" / "torn.journal", "tiny", study.space)
    for number in kept:
        torn.add(at_once[number])
    with pytest.raises(StudyStopped, match=str(undisturbed.value).partition(";")[0]) as resumed:
        search(study, 20, record="torn", executor=executor())
    assert resumed.value.trial.number == undisturbed.value.trial.number == 7
    assert results(on_record(tmp_path, study, "torn")) == results(at_once)


@pytest.mark.parametrize(("states", "ends"), [("fffff", True), ("ffffpfffff", True), ("ffffpffffcffff", False), ("", False)])
def test_complete_and_pruned_trials_reset_the_failure_count(make_study, search, tmp_path, states, ends):
    study = make_study()
    record = StudyRecord(tmp_path / "studies" / "record.journal", "tiny", study.space)
    names = {"f": "failed", "p": "pruned", "c": "complete"}
    for number, state in enumerate(names[letter] for letter in states):
        value = 0.5 if state == "complete" else None
        record.add(Trial(number=number, params=GOOD, state=state, value=value, losses=(0.7,) if value else ()))
    with pytest.raises(StudyStopped) if ends else nullcontext():
        search(study, len(states))


def test_single_lost_trials_do_not_end_a_study(make_study, search):
    found, _ = search(make_study(generation=1), 10, executor=Losing(lambda number: number % 5 != 4))
    assert [trial.number for trial in found if trial.state == "complete"] == [4, 9]


def test_a_failed_study_has_its_most_common_kind_of_failure():
    kinds = ["nan", "killed", "oom", "killed", "timeout", "nan", "killed"]
    trials = [
        Trial(
            number=number, params={"dropout": number / 10}, state="failed", failure=kind, reason=kind, log=(f"line {number}",)
        )
        for number, kind in enumerate(kinds)
    ]
    with pytest.raises(NoTrialCompleted, match="none of 7 trials completed: killed; nan; oom; timeout") as caught:
        select_trial(trials)
    assert (failure_kind(caught.value), failure_log(caught.value)) == ("killed", ("line 6",))
    with pytest.raises(NoTrialCompleted) as caught:
        select_trial(trials[:3])
    assert failure_kind(caught.value) == "nan"
