from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.plugin import Trial
from cxrbench.plugin.specs import Engine
from cxrbench.search.pruning import MIN_EARLIER_TRIALS, cut_offs
from cxrbench.search.study import search_space

pytestmark = pytest.mark.usefixtures("tensorflow_ready")


def trial(number, *losses, state="complete"):
    return Trial(number=number, params={}, state=state, losses=losses, value=0.5 if state == "complete" else None)


def straight(count, epochs=4):
    """Return trials whose best loss so far is 0, 1, 2, ... at every epoch."""
    return [trial(number, *([float(number)] * epochs)) for number in range(count)]


def test_nothing_is_pruned_before_enough_earlier_trials():
    assert cut_offs("median", straight(MIN_EARLIER_TRIALS - 1), 4) == ()
    assert cut_offs("median", straight(MIN_EARLIER_TRIALS), 4) == ((MIN_EARLIER_TRIALS - 1) / 2,) * 3
    assert cut_offs("none", straight(40), 4) == ()
    failed = [Trial(number=number, params={}, state="failed", reason="no") for number in range(50)]
    assert cut_offs("median", [*straight(MIN_EARLIER_TRIALS - 1), *failed], 4) == ()


def test_the_median_is_taken_of_the_best_so_far():
    up_and_down = [trial(number, 5.0, 1.0 + number, 9.0) for number in range(11)]
    assert cut_offs("median", up_and_down, 4) == (5.0, 5.0, 5.0)
    down = [trial(number, 9.0, 1.0 + number, 0.5) for number in range(11)]
    assert cut_offs("median", down, 4) == (9.0, 6.0, 0.5)


def test_early_stopped_trials_keep_their_best_but_pruned_do_not():
    early = [trial(number, 2.0) for number in range(6)]
    pruned = [trial(number, 8.0, state="pruned") for number in range(6)]
    at_first, later = cut_offs("median", [*early, *pruned], 3)
    assert at_first == 5.0
    assert later == 2.0


def test_halving_keeps_the_best_quarter_at_each_rung():
    limits = cut_offs("halving", straight(41, epochs=17), 17)
    assert [epoch for epoch, limit in enumerate(limits) if math.isfinite(limit)] == [0, 3, 15]
    assert limits[3] == 10.0
    assert sum(number <= limits[3] for number in range(41)) / 41 == pytest.approx(0.25, abs=0.02)


@given(
    st.lists(st.lists(st.floats(0, 10), min_size=1, max_size=6), min_size=MIN_EARLIER_TRIALS, max_size=30), st.integers(1, 8)
)
def test_the_best_trial_is_never_below_a_cut_off(curves, epochs):
    earlier = [trial(number, *losses) for number, losses in enumerate(curves)]
    for policy in ("median", "halving"):
        limits = cut_offs(policy, earlier, epochs)
        assert len(limits) == epochs - 1  # a trial at the last epoch is not pruned
        for epoch, limit in enumerate(limits):
            assert min(min(losses[: epoch + 1]) for losses in curves) <= limit


def test_pruning_does_not_change_the_other_trials(make_study, search):
    study = make_study()
    study = replace(study, job=replace(study.job, configuration=replace(study.job.configuration, epochs=4, patience=4)))
    everything, _ = search(study, MIN_EARLIER_TRIALS, record="without")
    some, _ = search(replace(study, pruning="median"), 25, record="with")
    pruned = [found for found in some if found.state == "pruned"]
    assert pruned
    assert all(found.value is None and 0 < len(found.losses) <= 4 for found in pruned)
    assert all(found.state == "complete" for found in some[:MIN_EARLIER_TRIALS])
    for number in range(MIN_EARLIER_TRIALS):  # the same proposals until the first trial is pruned
        assert replace(some[number], seconds=0) == replace(everything[number], seconds=0)
    for found in pruned:
        earlier = [one for one in some if one.number < found.number - found.number % study.generation]
        limits = cut_offs("median", earlier, 4)
        assert min(found.losses) > limits[len(found.losses) - 1]
        assert all(min(found.losses[: epoch + 1]) <= limits[epoch] for epoch in range(len(found.losses) - 1))


def test_a_pruned_study_is_resumed_to_the_same_trials(make_study, search):
    study = replace(make_study(), pruning="median")
    whole, _ = search(study, 25, record="whole")
    search(study, 13, record="parts")
    resumed, order = search(study, 25, record="parts")
    assert sorted(order) == list(range(13, 25))
    assert [replace(one, seconds=0) for one in resumed] == [replace(one, seconds=0) for one in whole]


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes"])
def test_every_sampler_proposes_after_pruned_trials(host, sampler):
    space = search_space("max-f1", {})
    part = bind(parse_component(f"optuna:sampler={sampler}"), host.find(Engine, "optuna"))
    engine = part.build(space=space, seed=0)
    generator, finished = np.random.default_rng(0), []
    for number in range(30):
        params = engine.propose(number, finished)
        state = "pruned" if generator.random() < 0.6 else "complete"
        finished.append(replace(trial(number, 0.5, 0.4, state=state), params={**params, "threshold": 0.5}))
        assert 1e-5 <= params["learning_rate"] <= 1e-2
    assert engine.propose(30, finished) == engine.propose(30, finished)
