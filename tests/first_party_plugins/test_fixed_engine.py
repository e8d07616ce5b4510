from __future__ import annotations

import pytest

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.errors import ConfigError
from cxrbench.plugin import Float, Trial
from cxrbench.plugin.specs import Engine
from cxrbench.search.engine import find_engine
from cxrbench.search.study import search_space

FINISHED = [Trial(number=0, params={"learning_rate": 1e-3, "dropout": 0.5, "threshold": 0.5}, state="complete", value=0.9)]


@pytest.fixture
def build(host):
    def make(text="fixed", *, policy="max-f1", strategy=None):
        engine = bind(parse_component(text), host.find(Engine, "fixed"))
        return engine.build(space=search_space(policy, strategy or {}), seed=0)

    return make


def test_it_proposes_adams_default_and_a_dropout_of_half(build):
    assert build().propose(0, []) == {"learning_rate": 0.001, "dropout": 0.5}


@pytest.mark.parametrize("number", [0, 1, 17])
def test_every_trial_gets_the_same_whatever_came_before(build, number):
    engine = build("fixed:dropout=0.2,learning_rate=0.0001")
    assert engine.propose(number, FINISHED) == engine.propose(0, []) == {"learning_rate": 0.0001, "dropout": 0.2}


def test_a_threshold_is_proposed_only_where_one_is_searched(build):
    assert build("fixed:threshold=0.25", policy="search").propose(0, [])["threshold"] == 0.25
    assert "threshold" not in build("fixed:threshold=0.25").propose(0, [])


def test_a_strategy_with_own_parameters_is_refused_with_a_remedy(build):
    strategy = {"gamma": Float(low=0.0, high=5.0), "beta": Float(low=0.0, high=1.0)}
    with pytest.raises(ConfigError, match=r"^engine fixed has no value for beta, gamma: set it as an option of the imbalance"):
        build(strategy=strategy)


@pytest.mark.parametrize(
    ("text", "words"), [("fixed:lr=0.1", "unknown option of fixed 'lr'"), ("fixed:dropout=half", "dropout=half .*number")]
)
def test_a_wrong_option_is_found_before_the_work(host, text, words):
    with pytest.raises(ConfigError, match=words):
        find_engine(text, host, "max-f1", 5)
