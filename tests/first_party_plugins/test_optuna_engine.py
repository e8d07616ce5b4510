from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrbench.plugin import Choice, Float, Int, MissingRequirement, Trial
from cxrbench_engines.optuna_engine import engine

PLANE = {"x": Float(low=-5.0, high=5.0), "y": Float(low=-5.0, high=5.0)}
MIXED = {
    "learning_rate": Float(low=1e-5, high=1e-2, log=True),
    "dropout": Float(low=0.0, high=0.7),
    "neighbours": Int(low=1, high=20),
    "width": Int(low=4, high=4096, log=True),
    "kind": Choice(options=("a", "b", "c")),
}
SAMPLERS = ("tpe", "random", "cmaes")


def inside(space, params):
    def fits(parameter, value):
        match parameter:
            case Choice(options=options):
                return value in options
            case Int(low=low, high=high):
                return isinstance(value, int) and low <= value <= high
            case Float(low=low, high=high):
                return isinstance(value, float) and low <= value <= high

    return params.keys() == space.keys() and all(fits(parameter, params[name]) for name, parameter in space.items())


def failed(number):
    return number % 7 == 3


def run(sampler, seed, trials, generation=5):
    """Search as the harness does: each generation sees the finished earlier ones."""
    proposer = engine(space=PLANE, seed=seed, sampler=sampler)
    finished = []
    for first in range(0, trials, generation):
        proposals = {number: proposer.propose(number, tuple(finished)) for number in range(first, first + generation)}
        for number, params in proposals.items():
            assert inside(PLANE, params)
            outcome = {"state": "failed", "reason": "lost"} if failed(number) else {"state": "complete", "value": hill(params)}
            finished.append(Trial(number=number, params={**params, "threshold": 0.4}, losses=(0.5,), **outcome))
    return finished


def hill(params):
    return -((params["x"] - 2) ** 2) - (params["y"] + 1) ** 2


def distance(trial):
    return np.hypot(trial.params["x"] - 2, trial.params["y"] + 1)


def parameters():
    return {
        "learning_rate": st.floats(1e-5, 1e-2),
        "dropout": st.floats(0, 0.7),
        "neighbours": st.integers(1, 20),
        "width": st.integers(4, 4096),
        "kind": st.sampled_from("abc"),
    }


@st.composite
def histories(draw):
    """Draw finished trials: complete ones with any value, failed ones without."""
    history = []
    for number in range(draw(st.integers(0, 15))):
        params = {**draw(st.fixed_dictionaries(parameters())), "threshold": draw(st.floats(0, 1))}
        if draw(st.booleans()):
            history.append(Trial(number=number, params=params, state="complete", value=draw(st.floats(0, 1)), losses=(0.7,)))
        else:
            history.append(Trial(number=number, params=params, state="failed", reason="lost"))
    return history


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_proposals_lie_in_the_space_and_follow_from_the_finished(sampler):
    @settings(max_examples=15, deadline=None)
    @given(histories(), st.integers(0, 2**31 - 1))
    def check(history, seed):
        number = len(history)
        proposer = engine(space=MIXED, seed=seed, sampler=sampler)
        first = proposer.propose(number, history)
        assert inside(MIXED, first)
        proposer.propose(number + 1, history)
        assert proposer.propose(number, tuple(history)) == first
        assert engine(space=MIXED, seed=seed, sampler=sampler).propose(number, history) == first

    check()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_twenty_trials_in_generations_go_well_when_some_fail(sampler):
    trials = run(sampler, 1, 20)
    assert len({tuple(trial.params.items()) for trial in trials}) == 20
    assert any(trial.state == "failed" for trial in trials)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_whose_every_trial_failed_still_gets_proposals(sampler):
    finished = [Trial(number=number, params=MIDDLE, state="failed", reason="lost") for number in range(12)]
    assert inside(MIXED, engine(space=MIXED, seed=0, sampler=sampler).propose(12, finished))


MIDDLE = {"learning_rate": 1e-3, "dropout": 0.3, "neighbours": 5, "width": 64, "kind": "b"}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_seed_and_the_number_decide_the_proposal(sampler):
    proposals = [
        tuple(engine(space=MIXED, seed=seed, sampler=sampler).propose(number, []).items())
        for seed in range(3)
        for number in range(3)
    ]
    assert len(set(proposals)) == 9


def test_another_process_proposes_the_same():
    script = """
import json, sys
from cxrbench.plugin import Float, Trial
from cxrbench_engines.optuna_engine import engine

plane = {name: Float(low=-5.0, high=5.0) for name in "xy"}
for sampler, finished in json.load(sys.stdin).items():
    trials = [Trial(**trial) for trial in finished]
    print(json.dumps(engine(space=plane, seed=3, sampler=sampler).propose(15, trials)))
"""
    here, given = [], {}
    for sampler in SAMPLERS:
        finished = run(sampler, 3, 15)
        given[sampler] = [
            {"number": trial.number, "params": dict(trial.params), "state": trial.state, "value": trial.value}
            for trial in finished
        ]
        here.append(engine(space=PLANE, seed=3, sampler=sampler).propose(15, finished))
    there = subprocess.run([sys.executable, "-c", script], input=json.dumps(given), capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in there.stdout.splitlines()] == here
    assert there.stderr == ""


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_later_proposals_are_nearer_the_optimum_than_random_ones(sampler):
    seeds = range(4)
    late = [distance(trial) for seed in seeds for trial in run(sampler, seed, 45)[-15:]]
    chance = [distance(trial) for seed in seeds for trial in run("random", seed, 45)[-15:]]
    assert np.mean(late) < 0.7 * np.mean(chance)


def test_the_threshold_on_record_does_not_disturb_the_sampler():
    plain = [Trial(number=number, params={"x": number / 4, "y": 0.0}, state="complete", value=0.5) for number in range(12)]
    chosen = [
        Trial(number=trial.number, params={**trial.params, "threshold": 0.1}, state="complete", value=0.5) for trial in plain
    ]
    for sampler in SAMPLERS:
        proposer = engine(space=PLANE, seed=0, sampler=sampler)
        assert proposer.propose(12, plain) == proposer.propose(12, chosen)


def test_the_default_sampler_is_tpe():
    history = run("tpe", 0, 15)
    assert engine(space=PLANE, seed=0).propose(15, history) == engine(space=PLANE, seed=0, sampler="tpe").propose(15, history)


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed")
def test_gp_without_torch_says_what_to_install():
    with pytest.raises(MissingRequirement, match="optuna:sampler=gp needs torch, which is not installed: pip install torch"):
        engine(space=PLANE, seed=0, sampler="gp")
