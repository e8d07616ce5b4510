"""A Latin hypercube: so many trials, so many strata of every parameter, each tried once."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.plugin import Choice, Float, Int
from cxrbench.search.engine import find_engine
from cxrbench_designs.latin_hypercube import engine

SPACE = {
    "learning_rate": Float(low=1e-5, high=1e-2, log=True),
    "dropout": Float(low=0.0, high=0.7),
    "kind": Choice(options=("plain", "deep", True)),
    "depth": Int(low=2, high=12, step=5, when=(("kind", ("deep",)),)),
    "width": Int(low=1, high=64, log=True),
    "share": Float(low=0.0, high=1.0, step=0.25),
}


def design(trials, seed=0, space=SPACE):
    proposer = engine(space=space, trials=trials, seed=seed)
    return [proposer.propose(number, []) for number in range(trials)]


def stratum(share, trials):
    return min(int(share * trials), trials - 1)


@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_every_stratum_is_tried_once(trials, seed):
    proposals = design(trials, seed)
    dropouts = {stratum(params["dropout"] / 0.7, trials) for params in proposals}
    rates = {stratum(math.log(params["learning_rate"] / 1e-5) / math.log(1e3), trials) for params in proposals}
    assert dropouts == rates == set(range(trials))


def test_choices_and_steps_are_tried_equally_often():
    proposals = design(60)
    assert [sum(params["kind"] == kind for params in proposals) for kind in ("plain", "deep")] == [20, 20]
    assert [sum(params["share"] == share for params in proposals) for share in (0.0, 0.25, 0.5, 0.75, 1.0)] == [12] * 5
    assert sum(params["width"] <= 5 for params in proposals) in range(27, 33)  # half of them, on a log scale
    assert {params.get("depth") for params in proposals} == {None, 2, 7, 12}
    assert all(("depth" in params) == (params["kind"] == "deep") for params in proposals)


def test_parameters_do_not_rise_together():
    proposals = design(50)
    assert sorted(proposals, key=lambda params: params["dropout"]) != sorted(proposals, key=lambda params: params["width"])


def test_a_design_follows_from_seed_and_budget_alone():
    assert design(8) == design(8)
    assert design(8) != design(8, seed=1)
    assert design(8) != design(9)[:8]


@pytest.mark.parametrize("number", [5, 60])
def test_no_trial_lies_outside_the_design(number):
    with pytest.raises(IndexError):
        engine(space=SPACE, trials=5, seed=0).propose(number, [])


def test_its_command_line_name(host):
    assert str(find_engine("latin-hypercube", host, "max-f1", 5).component) == "latin-hypercube"
