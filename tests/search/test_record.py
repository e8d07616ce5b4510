from __future__ import annotations

import json
import math

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from cxrbench.plugin import Choice, Float, Int, Trial
from cxrbench.search.record import StudyRecord

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


def test_trials_come_back_exactly_and_sorted_by_number(path):
    written = record(path)
    written.add(COMPLETE)
    written.add(FAILED)
    assert written.finished() == [FAILED, COMPLETE]
    assert record(path).finished() == [FAILED, COMPLETE]


def test_a_new_record_is_empty(path):
    assert record(path).finished() == []
    assert path.is_file()


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


def test_optuna_knows_the_space_and_a_chosen_threshold_as_a_single_point(path):
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


def test_values_keep_their_types(path):
    record(path).add(COMPLETE)
    (trial,) = record(path).finished()
    assert {name: type(value) for name, value in trial.params.items()} == {
        "learning_rate": float,
        "dropout": float,
        "neighbours": int,
        "kind": str,
        "threshold": float,
    }


def test_a_generous_study_is_in_one_readable_file(path):
    written = record(path)
    for number in range(30):
        written.add(Trial(number=number, params=PARAMS, state="failed", reason=f"reason {number}"))
    assert [trial.number for trial in record(path).finished()] == list(range(30))
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert all(isinstance(json.loads(line), dict) for line in path.read_text(encoding="utf-8").splitlines())
